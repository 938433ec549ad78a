"""What a source tells: somebody logged in, a session ended, a login was refused."""

from dataclasses import dataclass

from .addresses import IPAddress


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
    """A successful authentication."""

    ip: IPAddress


class Logout(_Told):
    """The end of a session that began with a Login. Most servers don't repeat the address."""

    __slots__ = ()


class Failure(_Told):
    """An authentication that was refused. It changes nothing; people want to see it."""

    __slots__ = ()


Event = Login | Logout | Failure
