r"""OpenSMTPD's table protocol, version 0.1 (smtpd-tables(7), OpenSMTPD 7.6 and later).

smtpd starts the program and speaks over its standard input and output; `opensmtpd_table.py` is that
program. Lines with `|` between the fields; first smtpd's settings, then ours, then questions:

    config|ready                                          -> register|netaddr, register|ready
    table|0.1|TIME|NAME|check|netaddr|ID|ADDRESS          -> check-result|ID|...
    table|0.1|TIME|NAME|update|ID                         -> update-result|ID|ok

| answer | reply | effect |
|---|---|---|
| Permit | `found` | the rule matches: the client may relay |
| NoOpinion | `not-found` | the next rule; without one 550 |
| Unavailable | `error` and why | 451 |

Only `check` of `netaddr` is registered; what else may come is answered by `error`, since smtpd ends
where a table says what it doesn't expect, and with it the mail service.

Limits: a line has at most 4096 bytes.
"""

from collections import deque

from ..core.answers import NoOpinion, Outcome, Permit, Query, Unavailable
from ..core.dialogue import Dialogue, Request
from ..core.errors import WireError
from .key import client

LONGEST_LINE = 4096

_RESULTS: dict[type[Outcome], bytes] = {
    Permit: b"found",
    NoOpinion: b"not-found",
    Unavailable: b"error|relay authorization unavailable",
}
_VERSION = b"0.1"


class OpenSmtpdDialogue(Dialogue):
    """What one table program says to its smtpd."""

    def __init__(self) -> None:
        self._buffer = b""
        self._owed: deque[tuple[bytes, list[bytes]]] = deque()
        """The questions' names, and the replies to what came right behind each."""

    def receive_data(self, data: bytes) -> list[Query]:
        *lines, rest = (self._buffer + data if self._buffer else data).split(b"\n")
        self._buffer = b""
        if len(rest) > LONGEST_LINE:
            raise WireError(f"a line of more than {LONGEST_LINE} bytes")
        self._buffer = rest
        return [query for line in lines if (query := self._read(line)) is not None]

    def reply(self, request: Request, outcome: Outcome) -> None:
        name, behind = self._owed.popleft()
        self.said += b"check-result|%b|%b\n" % (name, _RESULTS[type(outcome)]) + b"".join(behind)

    def _read(self, line: bytes) -> Query | None:
        """The query of a line; what needs no authority is answered at once."""
        if len(line) > LONGEST_LINE:
            raise WireError(f"a line of more than {LONGEST_LINE} bytes")
        match line.split(b"|", 7):
            case [b"config", b"ready"]:
                self._say(b"register|netaddr\nregister|ready\n")
            case [b"config", b"protocol", version] if version != _VERSION:
                raise WireError(f"protocol {version.decode(errors='replace')}; 0.1 is understood")
            case [b"config", *_]:
                pass
            case [b"table", b"0.1", _, _, b"check", b"netaddr", name, key] if name:
                self._owed.append((name, []))
                return Query(client(key))
            case [b"table", b"0.1", _, _, b"update", name] if name:
                self._say(b"update-result|%b|ok\n" % name)
            case [b"table", b"0.1", _, _, b"check" | b"lookup" | b"fetch" as what, _, name, *_] if (
                name
            ):
                self._say(b"%b-result|%b|error|only netaddr can be checked here\n" % (what, name))
            case _:
                raise WireError("no line of smtpd-tables(7)")
        return None

    def _say(self, text: bytes) -> None:
        """Reply to what needs no authority, in its turn."""
        if self._owed:
            self._owed[-1][1].append(text)
        else:
            self.said += text
