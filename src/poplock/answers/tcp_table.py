r"""Postfix's tcp_table protocol (tcp_table(5)).

Request: `get KEY\n`. Several come one after another over one connection.

| answer | reply | effect |
|---|---|---|
| Permit | `200 OK` | the recipient is accepted |
| NoOpinion | `500 ...` | the next rule decides |
| Unavailable | `400 ...` | 451, local mail as well unless `permit_auth_destination` stands before |

`%`, blanks and what can't be printed stand as %XX in a key. Postfix waits nine seconds for a server
that is down: socketmap is the better choice.

Limits: a request has at most 4096 bytes, as Postfix's own have.
"""

import re
from typing import TYPE_CHECKING

from ..core.answers import NoOpinion, Outcome, Permit, Query, Unavailable
from ..core.dialogue import Dialogue, MakeDialogue, Request
from ..core.errors import WireError
from .key import client

if TYPE_CHECKING:  # an answer imports nothing but core and wire
    from ..config.answers import TcpTableSettings

LONGEST_REQUEST = 4096

_REPLIES: dict[type[Outcome], bytes] = {
    Permit: b"200 OK\n",
    NoOpinion: b"500 no%20grant\n",
    Unavailable: b"400 relay%20authorization%20unavailable,%20try%20again%20later\n",
}
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})|%")


class TcpTableDialogue(Dialogue):
    """One smtpd process's connection."""

    def __init__(self) -> None:
        self._buffer = b""

    def receive_data(self, data: bytes) -> list[Query]:
        if not self._buffer and data.find(b"\n") == len(data) - 1 > 0:
            return [Query(client(_key(data[:-1])))]  # exactly one request: what smtpd sends
        *lines, rest = (self._buffer + data if self._buffer else data).split(b"\n")
        if len(rest) > LONGEST_REQUEST:
            raise WireError(f"a request of more than {LONGEST_REQUEST} bytes")
        self._buffer = rest
        return [Query(client(_key(line))) for line in lines]

    def reply(self, request: Request, outcome: Outcome) -> None:
        self.said += _REPLIES[type(outcome)]


def _key(line: bytes) -> bytes:
    verb, blank, key = line.partition(b" ")
    if verb != b"get" or not blank or b" " in key or len(line) > LONGEST_REQUEST:
        raise WireError("not `get`, a blank and one key of at most 4096 bytes")
    return _ESCAPE.sub(_byte, key) if b"%" in key else key


def _byte(escape: re.Match[bytes]) -> bytes:
    if escape[1] is None:
        raise WireError("a % without two hexadecimal digits")
    return bytes([int(escape[1], 16)])


def dialogues(settings: "TcpTableSettings", with_sender: bool) -> MakeDialogue:
    return lambda peer, datagram: TcpTableDialogue()
