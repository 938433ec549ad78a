r"""One line in, one word out, and the end: for Exim's `${readsocket}`, OpenSMTPD's table, scripts.

Request: `check ADDRESS\n` or `check ADDRESS SENDER\n`; where the peer ends its side instead, the
newline may lack. One request a connection.

| answer | reply to `check` | reply to `user` |
|---|---|---|
| Permit | `yes` | the user who earned the grant |
| NoOpinion | `no` | nothing |
| Unavailable | `unavailable` | `unavailable` |

No newline follows: Exim reads until the end and takes every byte, and `yes` with a newline is no
condition to it. `user` asks for the name that may stand in a header or a log; a user whose name is
`unavailable` can't be told from trouble, so decide by `check`.

Limits: a request has at most 1024 bytes.
"""

from typing import TYPE_CHECKING

from ..core.answers import NoOpinion, Outcome, Permit, Query, Unavailable
from ..core.dialogue import Dialogue, MakeDialogue, Request
from ..core.errors import WireError
from .key import client

if TYPE_CHECKING:  # an answer imports nothing but core and wire
    from ..config.answers import LineSettings

LONGEST_REQUEST = 1024  # an address, and a sender of RFC 5321's 256 bytes, four times over

_REPLIES: dict[type[Outcome], bytes] = {
    Permit: b"yes",
    NoOpinion: b"no",
    Unavailable: b"unavailable",
}


class LineDialogue(Dialogue):
    """One question. `with_sender`: read the envelope sender as well."""

    def __init__(self, *, with_sender: bool = False) -> None:
        self._with_sender = with_sender
        self._buffer = b""
        self._verb = b""

    def receive_data(self, data: bytes) -> list[Query]:
        if self.closing:
            if data:
                raise WireError("more than one request")
            return []
        line, newline, rest = (self._buffer + data).partition(b"\n")
        if len(line) > LONGEST_REQUEST:
            raise WireError(f"a request of more than {LONGEST_REQUEST} bytes")
        if not newline and (data or not line):
            self._buffer = line
            return []
        if rest:
            raise WireError("more than one request")
        self.closing = True
        return [self._read(line)]

    def reply(self, request: Request, outcome: Outcome) -> None:
        if self._verb == b"check" or type(outcome) is Unavailable:
            self.said = _REPLIES[type(outcome)]
        elif type(outcome) is Permit:
            self.said = outcome.grant.user.encode()

    def _read(self, line: bytes) -> Query:
        self._verb, _, words = line.partition(b" ")
        if self._verb not in (b"check", b"user"):
            raise WireError("neither `check ADDRESS` nor `user ADDRESS`")
        key, _, sender = words.partition(b" ")
        if not self._with_sender:
            return Query(client(key))
        try:
            return Query(client(key), sender.decode())
        except UnicodeDecodeError:
            raise WireError("the sender is not UTF-8") from None


def dialogues(settings: "LineSettings", with_sender: bool) -> MakeDialogue:
    return lambda peer, datagram: LineDialogue(with_sender=with_sender)
