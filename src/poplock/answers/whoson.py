r"""WHOSON: who uses this address now? A row of ANSWERS and of SOURCES: one socket does both.

Request: a line and an empty line, each ended by CRLF or LF. A datagram holds one request, and need
not have the empty line, nor any line's end. Words are set apart by blanks, the verb's case is free.

    LOGIN address [user]        LOGOUT address        QUERY address        QUIT

Reply: a line and an empty line with CRLF. Its first character is the verdict, and clients read no
more of it than that, but for the user's name after QUERY.

| request | outcome | reply |
|---|---|---|
| QUERY | Permit | `+` and the name of the user who earned the grant |
| QUERY | NoOpinion | `-Not Logged in` |
| QUERY | Unavailable | `*unavailable, try again later`: Exim and others defer |
| LOGIN, LOGOUT | kept on disk | `+LOGIN OK`, `+LOGOUT OK` |
| LOGIN, LOGOUT | not kept | `*unavailable, try again later` |
| QUIT | | `+QUIT OK`, and the connection is closed |
| each | the peer is not listed for it | `*permission denied` |
| a wrong request | | `*` and why |

LOGOUT gives the address back: it ends what LOGINs of this source have earned there, for every user
of it. A LOGIN without a user counts for the configured one; each user's LOGIN is a grant of its
own, where the old servers knew one name for an address and the last LOGIN won.

Limits: a line has at most 1472 bytes (a datagram that Ethernet carries in one piece; the old
servers cut there), a user's name 255 characters. After a broken frame (no empty line, a line too
long) `*` is said and the connection closed; after a wrong request it stays open.
Security: there is no authentication, so a peer may ask, or tell, only where it is listed for that;
both lists hold addresses, which a stranger on the network can forge in a datagram. Refused though
other servers may take them: words after the address of QUERY and LOGOUT, control characters and
NUL, names that aren't UTF-8, brackets and zone ids.
Bugs of others avoided: a verb without its address broke the session; a blank before the verb.
"""

import re
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.addresses import IPAddress, is_ipv4, parse_ip
from ..core.answers import NoOpinion, Outcome, Permit, Query, Refused, Unavailable
from ..core.dialogue import Dialogue, Request
from ..core.errors import WireError
from ..core.events import NOW, Login, Logout
from ..core.memo import Memo

if TYPE_CHECKING:  # an answer imports nothing but core and wire
    from ..config.answers import WhosonAnswerSettings
    from ..config.sources import WhosonSettings
    from ..core.dialogue import MakeDialogue

LONGEST_LINE = 1472
LONGEST_USER = 255

_QUERY = b"QUERY "
_END = b"\r\n\r\n"
_LONGEST_USUAL = 25  # bytes, for an IPv4 address
_REMEMBERED = 4096  # usual questions, 1 MiB
_REPLIES: dict[type[Outcome], bytes] = {
    NoOpinion: b"-Not Logged in\r\n\r\n",
    Unavailable: b"*unavailable, try again later\r\n\r\n",
    Refused: b"*permission denied\r\n\r\n",
}
_KEPT: dict[type[Request], bytes] = {
    Login: b"+LOGIN OK\r\n\r\n",
    Logout: b"+LOGOUT OK\r\n\r\n",
}
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class _FrameError(Exception):
    """Where the next request begins can't be known."""


class WhosonDialogue(Dialogue):
    """One peer's connection or datagram. `user`: who a LOGIN without a name counts for."""

    refuses = True
    lasts = True

    def __init__(
        self, *, datagram: bool = False, user: str = "unnamed", service: str = "pop3"
    ) -> None:
        self._datagram = datagram
        self._user = user
        self._service = service
        self._buffer = b""
        self._line: bytes | None = None  # of a request whose empty line has not come yet
        self._owed: deque[bytes | None] = deque()
        """For each open request None, and the replies to what came right behind it."""
        self._broken: str | None = None

    def receive_data(self, data: bytes) -> Sequence[Request]:
        if len(data) <= _LONGEST_USUAL and not (self._buffer or self._line or self.closing):
            query = _USUAL[data]
            if query is not None:
                self._owed.append(None)
                self.at_rest = True
                return (query,)
        if self._broken is not None:
            raise WireError(self._broken)
        if not data or self.closing:
            return ()
        requests: list[Request] = []
        try:
            if self._datagram:
                self._take(_only_line(data), requests)
            else:
                self._cut(data, requests)
                self.at_rest = not self._buffer and self._line is None
        except _FrameError as error:
            self._broken, self.closing = str(error), True
            self._say(f"*{error}")
            if not requests:
                raise WireError(self._broken) from None
            self._refuse(self._broken)
        return requests

    def _cut(self, data: bytes, requests: list[Request]) -> None:
        """A request is a line that isn't empty and one that is."""
        *lines, self._buffer = (self._buffer + data if self._buffer else data).split(b"\n")
        for line in lines:
            line = line.removesuffix(b"\r")
            if self.closing:
                return
            if len(line) > LONGEST_LINE:
                break
            if self._line is None:
                if not line:
                    raise _FrameError("an empty line where a request should be")
                self._line = line
            elif line:
                raise _FrameError("no empty line after the request")
            else:
                request, self._line = self._line, None
                self._take(request, requests)
        else:
            if len(self._buffer) <= LONGEST_LINE + 1:  # its CR may have come
                return
        raise _FrameError(f"a line of more than {LONGEST_LINE} bytes")

    def _take(self, line: bytes, requests: list[Request]) -> None:
        """Read one request: into `requests`, or its reply is known at once."""
        try:
            request = self._read(line)
        except ValueError as error:
            self._refuse(str(error))
            self._say(f"*{error}")
        else:
            if request is None:
                self.closing = True
                self._say("+QUIT OK")
            else:
                requests.append(request)
                self._owed.append(None)

    def _read(self, line: bytes) -> Request | None:
        """What a line asks or tells; None: QUIT. ValueError says what is wrong."""
        if _CONTROL.search(line):
            raise ValueError("a control character in a request")
        words = line.split()
        verb = words.pop(0).upper() if words else b""
        if verb == b"QUIT" and not words:
            return None
        if verb not in (b"QUERY", b"LOGIN", b"LOGOUT"):
            raise ValueError("no such request; there are LOGIN, LOGOUT, QUERY and QUIT")
        if not words:
            raise ValueError("an address is missing")
        if words[1:] and verb != b"LOGIN":
            raise ValueError("more than an address")
        ip = _address(words[0])
        if verb == b"QUERY":
            return Query(words[0].decode())
        if verb == b"LOGOUT":
            return Logout(NOW, ip, None, self._service, released=True)
        return Login(NOW, ip, _user(words[1:]) or self._user, self._service)

    def reply(self, request: Request, outcome: Outcome) -> None:
        if type(outcome) is Permit:
            self.said += f"+{_shown(outcome.grant.user)}\r\n\r\n".encode()
        elif outcome is None:
            self.said += _KEPT[type(request)]
        else:
            self.said += _REPLIES[type(outcome)]
        owed = self._owed
        owed.popleft()
        while owed and (behind := owed[0]) is not None:
            self.said += behind
            owed.popleft()

    def _say(self, text: str) -> None:
        """Say what is known at once, in its turn."""
        reply = f"{text}\r\n\r\n".encode()
        if self._owed:
            self._owed.append(reply)
        else:
            self.said += reply


def dialogues(settings: "WhosonSettings", intake: object) -> "MakeDialogue":
    """As a source: a dialogue for each connection or datagram."""
    return lambda peer, datagram: WhosonDialogue(
        datagram=datagram, user=settings.user, service=settings.service
    )


def answers(settings: "WhosonAnswerSettings", with_sender: bool) -> "MakeDialogue":
    """For peers that only ask. A QUERY tells no sender."""
    return lambda peer, datagram: WhosonDialogue(datagram=datagram)


def _usual(data: bytes) -> Query | None:
    """What nearly always comes: one question for an IPv4 address, and for the same again."""
    if data.startswith(_QUERY) and data.endswith(_END):
        client = data[len(_QUERY) : -len(_END)].decode("latin-1")
        if is_ipv4(client):
            return Query(client)
    return None


def _only_line(datagram: bytes) -> bytes:
    """The one line of a datagram, without its end and that of the empty line."""
    if len(datagram) > LONGEST_LINE:
        raise _FrameError(f"a datagram of more than {LONGEST_LINE} bytes")
    for _ in range(2):
        datagram = datagram.removesuffix(b"\n").removesuffix(b"\r")
    return datagram


def _address(word: bytes) -> IPAddress:
    try:
        return parse_ip(word.decode())
    except ValueError:  # UnicodeDecodeError is one
        raise ValueError("that is no IP address") from None


def _user(words: list[bytes]) -> str:
    """The name in a LOGIN; "" where there is none."""
    try:
        user = b" ".join(words).decode()
    except UnicodeDecodeError:
        raise ValueError("a user's name that is not UTF-8") from None
    if len(user) > LONGEST_USER or not user.isprintable():
        raise ValueError(f"a user's name of more than {LONGEST_USER} characters, or not printable")
    return user


def _shown(user: str) -> str:
    """A name from whatever source, fit for one line."""
    return user if user.isprintable() else "".join(c if c.isprintable() else "?" for c in user)


_USUAL = Memo(_usual, _REMEMBERED)
