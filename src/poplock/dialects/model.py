r"""What a dialect is: a name and its rules.

A rule says which program tags it listens to, with which *words* its lines begin behind the tag, and
what the *body*, the rest of the line to its end, looks like. Words and body are bytes patterns; the
scanner anchors them: words directly behind the syslog prefix, body from there to the newline.

A log line is partly written by the stranger who logs in, so:

- every field has the narrowest class that the server's own rules allow;
- nothing open (`.*`) stands before the address of a login, and no repetition in a repetition;
- only the groups of the body are taken from a line, by `build`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from ..core.addresses import IPAddress, parse_ip
from ..core.events import Event

ADDRESS = rb"[0-9A-Fa-f.:]{2,45}"
"""What may stand where an address is expected; `address` decides whether it is one."""


Body = re.Match[bytes]

Build = Callable[[float, bytes, bytes, Body], Event | None]
"""From a line's time, tag, words and body to what it tells.

None or ValueError where it is not what it seemed.
"""


@dataclass(frozen=True)
class Rule:
    """One kind of line. `words` must hold no group."""

    name: str
    tags: tuple[bytes, ...]
    words: bytes
    body: bytes
    build: Build
    sure: bool = True
    """Whether only lines of this kind begin so; if not, one that reads otherwise is no surprise."""
    own_log: bytes = b""
    """The letters that the words begin with, where the server also writes a log file of its own
    with neither host nor tag."""
    pattern: re.Pattern[bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", re.compile(self.body + rb"\r?(?=\n)"))


@dataclass(frozen=True)
class Dialect:
    """One server's rules."""

    name: str
    rules: tuple[Rule, ...]


def address(text: bytes) -> IPAddress:
    """The address; ValueError if it is none."""
    return parse_ip(text.decode("ascii"))
