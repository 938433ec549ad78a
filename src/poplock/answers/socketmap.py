r"""The socketmap protocol of Sendmail and Postfix (socketmap_table(5)).

Request: a netstring with the map's name, a blank, the key: `17:poplock 192.0.2.7,`. Several come
one after another over one connection.

| answer | reply | Postfix | Sendmail |
|---|---|---|---|
| Permit | `OK OK` | the recipient is accepted | found |
| NoOpinion | `NOTFOUND ` | the next rule decides | not found |
| Unavailable | `TEMP ...` | 451, local mail as well | a temporary failure: mind the rules |
| another map | `PERM ...` | 451: the operator misspelt a name | a failure |

The keys are client addresses as each MTA writes them. Postfix asks for the client's host name
first: about names there is no opinion, or whoever controls a name could relay.

Limits: a request has at most 10,000 bytes, as Postfix's own have.
"""

from typing import TYPE_CHECKING

from ..core.answers import NoOpinion, Outcome, Permit, Query, Unavailable
from ..core.dialogue import Dialogue, MakeDialogue, Request
from ..core.errors import WireError
from ..wire import netstring
from .key import client

if TYPE_CHECKING:  # an answer imports nothing but core and wire
    from ..config.answers import SocketmapSettings

LONGEST_REQUEST = 10_000

_REPLIES: dict[type[Outcome], bytes] = {
    Permit: netstring.encode(b"OK OK"),
    NoOpinion: netstring.encode(b"NOTFOUND "),
    Unavailable: netstring.encode(b"TEMP relay authorization unavailable, try again later"),
}
_NO_SUCH_MAP = netstring.encode(b"PERM no such map here: see `maps` in poplock.toml")
_OTHER = Query("")
"""Stands for a question to another map, so that its reply stays in its place."""


class SocketmapDialogue(Dialogue):
    """One MTA process's connection."""

    def __init__(self, maps: frozenset[bytes]) -> None:
        self._maps = maps
        self._buffer = b""

    def receive_data(self, data: bytes) -> list[Query]:
        buffer = self._buffer + data if self._buffer else data
        requests, start = [], 0
        while start < len(buffer):
            place = netstring.read(buffer, start, LONGEST_REQUEST)
            if place is None:
                break
            name, blank, key = buffer[place[0] : place[1]].partition(b" ")
            if not blank:
                raise WireError("a request without a key")
            requests.append(Query(client(key)) if name in self._maps else _OTHER)
            start = place[1] + 1
        self._buffer = buffer[start:]
        return requests

    def reply(self, request: Request, outcome: Outcome) -> None:
        self.said += _NO_SUCH_MAP if request is _OTHER else _REPLIES[type(outcome)]


def dialogues(settings: "SocketmapSettings", with_sender: bool) -> MakeDialogue:
    maps = frozenset(name.encode() for name in settings.maps)
    return lambda peer, datagram: SocketmapDialogue(maps)
