"""What a source tells: somebody logged in, a session ended, a login was refused."""

import math
from dataclasses import dataclass

from .addresses import IPAddress

NOW = math.inf
"""The `time` of what is told as it happens, without a stamp: the clock of whoever records it
counts, as it does for every time that isn't past yet."""


@dataclass(slots=True)
class _Told:
    """What a server says of a client, as far as it says it.

    `time` is in seconds of the epoch by the wall clock of the server that wrote it. `user` is
    None where the server told only part of the name. `tls` is None where it doesn't tell.
    `session` is an id that a login and its logout share.

    Not frozen: a log of a million lines makes hundreds of thousands of these, and a frozen
    dataclass costs three times as much to make.
    """

    time: float
    ip: IPAddress | None
    user: str | None
    service: str
    tls: bool | None = None
    session: str | None = None
    source: str = ""
    dialect: str = ""


@dataclass(slots=True)
class Login(_Told):
    """A successful authentication.

    `since`: when its session began, where a server tells at `time` that it is still open. That is
    the login then: what was earned by it may have been revoked meanwhile.
    """

    ip: IPAddress
    since: float | None = None


@dataclass(slots=True)
class Logout(_Told):
    """The end of a session that began with a Login. Most servers don't repeat the address.

    `released`: the address was given back and may soon be somebody else's (a dial-up line that
    ended), so what was earned there ends now and not a window later.
    """

    released: bool = False


class Failure(_Told):
    """An authentication that was refused. It changes nothing; people want to see it."""

    __slots__ = ()


class Reset(_Told):
    """A server started anew: all its sessions are over, their addresses released.

    `session` is what the ids of its sessions begin with.
    """

    __slots__ = ()


Event = Login | Logout | Failure | Reset
