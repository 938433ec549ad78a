r"""What a dialect is: a name and its rules.

A rule says which program tags it listens to, with which *words* its lines begin behind the tag, and
what the *body*, the rest of the line to its end, looks like. Words and body are bytes patterns; the
scanner anchors them: words directly behind what a line begins with (its *form*), body from there to
the newline.

A log line is partly written by the stranger who logs in, so:

- every field has the narrowest class that the server's own rules allow;
- nothing open (`.*`) stands before the address of a login, and no repetition in a repetition;
- only the groups of the body are taken from a line, by `build`.

Some servers tell a login in two lines, the address in the first and the name in the second. The
rule of the first is called `half`: its `build` puts what it learnt into `head.pending` and returns
None; the `build` of the second takes it from there. Where nothing waits, it is no login.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from ..core.addresses import IPAddress, parse_ip
from ..core.events import Event
from .line import SYSLOG, Form
from .pending import Pending

ADDRESS = rb"[0-9A-Fa-f.:]{2,45}"
"""What may stand where an address is expected; `address` decides whether it is one."""


class Head(NamedTuple):
    """What stands before the body of a line; host, tag and pid are b"" where there is none."""

    time: float
    host: bytes
    tag: bytes
    pid: bytes
    words: bytes
    pending: Pending


Body = re.Match[bytes]

Build = Callable[[Head, Body], Event | None]
"""From what stands before a line's body, and the body, to what it tells.

None or ValueError where it is not what it seemed.
"""


@dataclass(frozen=True)
class Rule:
    """One kind of line: `login`, `logout`, `failure` or `half`. `words` must hold no group."""

    name: str
    tags: tuple[bytes, ...]
    words: bytes
    body: bytes
    build: Build
    sure: bool = True
    """Whether only lines of this kind begin so; if not, one that reads otherwise is no surprise."""
    forms: tuple[Form, ...] = (SYSLOG,)
    """How the logs begin their lines that this rule is about."""
    whole: bytes = b""
    """Words and body in one, for whoever explains; set by itself."""
    beginning: re.Pattern[bytes] = field(init=False, repr=False)
    pattern: re.Pattern[bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.whole:
            object.__setattr__(self, "whole", rb"(?:%b)(?:%b)" % (self.words, self.body))
        object.__setattr__(self, "beginning", re.compile(self.words))
        object.__setattr__(self, "pattern", re.compile(self.body + rb"\r?(?=\n)"))


@dataclass(frozen=True)
class Dialect:
    """One server's rules."""

    name: str
    rules: tuple[Rule, ...]


def address(text: bytes) -> IPAddress:
    """The address; ValueError if it is none."""
    return parse_ip(text.decode("ascii"))


def process(head: Head) -> str | None:
    """The process that wrote a line, as a session's id: `mx[123]`. None where no pid was told.

    For servers with a process for each session that log both ends of it. A process id that comes
    round again ends the session that had it before, which then had no end in the log.
    """
    return f"{head.host.decode('ascii')}[{head.pid.decode('ascii')}]" if head.pid else None
