"""DNS (RFC 1035), for everything that can only look up a list: one zone of the operator's.

Question: `9.113.0.203.ZONE` for 203.0.113.9, and 32 nibbles in reverse for IPv6, as for any
list (RFC 5782); A, TXT or ANY.

| answer | reply |
|---|---|
| Permit | A 127.0.0.2; TXT: the user who earned the grant |
| NoOpinion | NXDOMAIN |
| Unavailable | SERVFAIL |

Everything has a TTL of 0, the SOA's minimum too: a resolver that remembers "no" would refuse who
has just logged in. A part of an address is an empty name and not NXDOMAIN, for resolvers that ask
their way down (RFC 9156). Other types: no data. Outside the zone: REFUSED. EDNS is understood as
far as saying so (RFC 6891). A reply is at most 512 bytes, so nothing is ever cut off.

A codec of our own, because this room has none but the standard library and needs one question and
three records of it; a library's objects would cost more than all the rest of an answer. MTAs ask
the same again at each message, so a question is read once, and its replies are encoded once: all
but the id, which is new each time. Who may relay is not remembered here.

Limits: a message has at most 1024 bytes. Security: whoever may ask learns who logged in from where;
over UDP nobody proves who asks, and a stranger gets no reply, so that none is sent to a victim.
"""

import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..core.answers import NoOpinion, Outcome, Permit, Query
from ..core.dialogue import Dialogue, MakeDialogue, Request
from ..core.errors import WireError
from ..core.memo import Memo

if TYPE_CHECKING:  # an answer imports nothing but core and wire
    from ..config.answers import DnsSettings

LONGEST_MESSAGE = 1024
LONGEST_TEXT = 200  # of the user's name, so that a reply has less than 512 bytes with any zone

_REMEMBERED = 4096  # questions, and replies: 3 MiB, or 10 where each is as long as can be

_ID = 2  # bytes
_REST = struct.Struct("!5H")  # of the header
_TYPES = struct.Struct("!2H")
_RECORD = struct.Struct("!2HIH")
_NAME_AT = _ID + _REST.size  # in a message

_QR, _AA, _RD, _OPCODE = 0x8000, 0x0400, 0x0100, 0x7800
_NOERROR, _FORMERR, _SERVFAIL, _NXDOMAIN, _NOTIMP, _REFUSED = range(6)
_BADVERS = 16
_A, _SOA, _TXT, _OPT, _ANY = 1, 6, 16, 41, 255
_IN = 1
_POINTER = 0xC000

_ADDRESS = b"\xc0\x0c" + _RECORD.pack(_A, _IN, 0, 4) + b"\x7f\x00\x00\x02"
_OUR_OPT = b"\0" + _RECORD.pack(_OPT, 1232, 0, 0)
_OUR_OPT_BADVERS = b"\0" + _RECORD.pack(_OPT, 1232, _BADVERS >> 4 << 24, 0)

_OCTETS = {b"%d" % n: str(n) for n in range(256)}
_NIBBLES = frozenset(b"%x" % n for n in range(16))


class Zone:
    """The operator's zone, as questions are compared with it."""

    def __init__(self, name: str) -> None:
        self.labels = tuple(label.encode() for label in name.lower().rstrip(".").split("."))
        self.questions = Memo(partial(_read, self), _REMEMBERED)
        """As they were asked, but for the id."""
        self.size = sum(1 + len(label) for label in self.labels) + 1  # in a message


@dataclass(slots=True, eq=False)
class _Question(Query):
    """A message but for its id: what it asks, and what its replies need of it."""

    flags: int = 0
    text: bytes = b""  # name, type and class as they came
    qtype: int = 0
    zone_at: int = 0  # where the zone's name begins
    edns: bool = False
    reply: bytes = b""
    """Without an id, where the authority need not be asked."""
    permit: bytes = b""
    no_opinion: bytes = b""
    """What was encoded before, without an id."""


_REPLIED = _Question("")
"""Stands beside a reply where else a question stands beside its id."""


class DnsDatagram(Dialogue):
    """One datagram, which is one message."""

    lasts = True

    def __init__(self, zone: Zone) -> None:
        self._questions = zone.questions
        self._asked: tuple[bytes, _Question]  # its id, and what awaits the authority

    def receive_data(self, data: bytes) -> Sequence[Query]:
        if not data:
            return ()
        ident, question = data[:_ID], self._questions[data[_ID:]]
        if question.reply:
            self.said = ident + question.reply
            return ()
        self._asked = ident, question
        return (question,)

    def reply(self, request: Request, outcome: Outcome) -> None:
        ident, question = self._asked
        self.said = ident + _answer(question, outcome)


class DnsConnection(Dialogue):
    """One connection, whose messages have their length in front (RFC 1035, 4.2.2)."""

    def __init__(self, zone: Zone) -> None:
        self._questions = zone.questions
        self._buffer = b""
        self._owed: deque[tuple[bytes, _Question]] = deque()
        """Ids and questions that await the authority, and replies to what came behind them."""

    def receive_data(self, data: bytes) -> Sequence[Query]:
        buffer = self._buffer + data if self._buffer else data
        requests: list[Query] = []
        start = 0
        while len(buffer) - start >= 2:
            end = start + 2 + int.from_bytes(buffer[start : start + 2])
            if end - start > 2 + LONGEST_MESSAGE:
                raise WireError(f"a message of more than {LONGEST_MESSAGE} bytes")
            if len(buffer) < end:
                break
            requests += self._read(buffer[start + 2 : end])
            start = end
        self._buffer = buffer[start:]
        self.at_rest = not self._buffer
        return requests

    def _read(self, message: bytes) -> Sequence[Query]:
        """The query of a message; what needs no authority is answered at once."""
        ident, question = message[:_ID], self._questions[message[_ID:]]
        if not question.reply:
            self._owed.append((ident, question))
            return (question,)
        if self._owed:
            self._owed.append((ident + question.reply, _REPLIED))
        else:
            self._say(ident + question.reply)
        return ()

    def reply(self, request: Request, outcome: Outcome) -> None:
        owed = self._owed
        ident, question = owed.popleft()
        self._say(ident + _answer(question, outcome))
        while owed and owed[0][1] is _REPLIED:
            self._say(owed.popleft()[0])

    def _say(self, message: bytes) -> None:
        self.said += len(message).to_bytes(2) + message


def _read(zone: Zone, data: bytes) -> _Question:
    """Read a message that has lost its id."""
    message = bytes(_ID) + data
    if not _NAME_AT <= len(message) <= LONGEST_MESSAGE:
        raise WireError("no DNS message")
    flags, questions, answers, authorities, additional = _REST.unpack_from(message, _ID)
    if flags & _QR:
        raise WireError("a DNS reply, not a question")
    if flags & _OPCODE:
        return _replied(_Question("", flags=flags), _NOTIMP)
    try:
        if questions != 1 or answers or authorities:
            raise WireError("not one question")
        labels, end = _name(message.lower(), _NAME_AT)  # lengths are below the letters
        qtype, qclass = _TYPES.unpack_from(message, end)
        version = _edns(message, end + _TYPES.size, additional)
    except (WireError, IndexError, struct.error):
        return _replied(_Question("", flags=flags), _FORMERR)
    text = data[_REST.size : end + _TYPES.size - _ID]
    question = _Question("", None, flags, text, qtype, end - zone.size, version is not None)
    inside = len(labels) - len(zone.labels)
    if version:
        return _replied(question, _BADVERS)
    if inside < 0 or labels[inside:] != zone.labels or qclass not in (_IN, _ANY):
        return _replied(question, _REFUSED)
    client = _client(labels[:inside])
    if client is None:
        return _replied(question, _NXDOMAIN)
    if client:
        question.client = client
        return question
    asks_soa = not inside and qtype in (_SOA, _ANY)
    return _replied(question, _NOERROR, *[_soa(question.zone_at)] if asks_soa else [])


def _replied(question: _Question, code: int, *records: bytes) -> _Question:
    """One that needs no authority, with its reply."""
    question.reply = _encode(question, code, *records)
    return question


def _answer(question: _Question, outcome: Outcome) -> bytes:
    """The reply to an answer of the authority; remembered, unless it names a user."""
    if type(outcome) is NoOpinion:
        question.no_opinion = question.no_opinion or _encode(question, _NXDOMAIN)
        return question.no_opinion
    if type(outcome) is not Permit:
        return _encode(question, _SERVFAIL)
    if question.permit:
        return question.permit
    reply = _encode(question, _NOERROR, *_records(question.qtype, outcome.grant.user))
    if question.qtype == _A:
        question.permit = reply
    return reply


def _encode(question: _Question, code: int, *records: bytes) -> bytes:
    """A reply without its id; the SOA where there is no record, so that nobody caches that."""
    denied = not records and code in (_NOERROR, _NXDOMAIN)
    rest = _REST.pack(
        _QR | _AA | question.flags & (_OPCODE | _RD) | code & 15,
        question.text != b"",
        len(records),
        denied,
        question.edns,
    )
    authority = _soa(question.zone_at) if denied else b""
    opt = b""
    if question.edns:
        opt = _OUR_OPT_BADVERS if code == _BADVERS else _OUR_OPT
    return b"".join((rest, question.text, *records, authority, opt))


def _soa(zone_at: int) -> bytes:
    """The SOA of the zone whose name begins there in the message."""
    zone = (_POINTER | zone_at).to_bytes(2)
    data = zone + b"\x0ahostmaster" + zone + struct.pack("!5I", 1, 3600, 600, 86400, 0)
    return zone + _RECORD.pack(_SOA, _IN, 0, len(data)) + data


def _records(qtype: int, user: str) -> list[bytes]:
    records = [_ADDRESS] if qtype in (_A, _ANY) else []
    if qtype in (_TXT, _ANY):
        text = user.encode()[:LONGEST_TEXT]
        header = b"\xc0\x0c" + _RECORD.pack(_TXT, _IN, 0, len(text) + 1)
        records.append(header + bytes([len(text)]) + text)
    return records


def _name(message: bytes, at: int) -> tuple[tuple[bytes, ...], int]:
    """Labels, and where the name ends. No compression."""
    labels, start = [], at
    while length := message[at]:
        at += 1 + length
        if length > 63 or at - start > 254:
            raise WireError("a name that is too long, or a pointer where none can stand")
        labels.append(message[at - length : at])
    return tuple(labels), at + 1


def _edns(message: bytes, at: int, additional: int) -> int | None:
    """The version of EDNS that the additional records speak of; None: none does."""
    version = None
    for _ in range(additional):
        _, at = _name(message, at)
        rtype, _, ttl, length = _RECORD.unpack_from(message, at)
        at += _RECORD.size + length
        if rtype == _OPT:
            if version is not None:
                raise WireError("EDNS twice")
            version = ttl >> 16 & 255
    if at != len(message):
        raise WireError("more or less than the message says")
    return version


def _client(labels: tuple[bytes, ...]) -> str | None:
    """The address that stands in reverse; "": only a part of one; None: no address."""
    count = len(labels)
    if count <= 4:
        octets = [_OCTETS.get(label, "") for label in reversed(labels)]
        if "" not in octets:
            return ".".join(octets) if count == 4 else ""
    if count > 32 or not _NIBBLES.issuperset(labels):
        return None
    if count < 32:
        return ""
    digits = b"".join(reversed(labels)).decode()
    return ":".join(digits[i : i + 4] for i in range(0, 32, 4))


def dialogues(settings: "DnsSettings", with_sender: bool) -> MakeDialogue:
    zone = Zone(settings.zone)
    return lambda peer, datagram: DnsDatagram(zone) if datagram else DnsConnection(zone)
