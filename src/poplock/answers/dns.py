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
three records of it; a library's objects would cost more than all the rest of an answer. What is
asked nearly always, an IPv4 address, is read by one pattern; whatever that doesn't fit, label by
label.

Limits: a message has at most 1024 bytes. Security: whoever may ask learns who logged in from where;
over UDP nobody proves who asks, and a stranger gets no reply, so that none is sent to a victim.
"""

import re
import struct
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from ..core.answers import NoOpinion, Outcome, Permit, Query
from ..core.dialogue import Dialogue, MakeDialogue, Request
from ..core.errors import WireError

if TYPE_CHECKING:  # an answer imports nothing but core and wire
    from ..config.answers import DnsSettings

LONGEST_MESSAGE = 1024
LONGEST_TEXT = 200  # of the user's name, so that a reply has less than 512 bytes with any zone

_HEADER = struct.Struct("!6H")
_TYPES = struct.Struct("!2H")
_RECORD = struct.Struct("!2HIH")

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

_LABELS = {bytes([len(octet)]) + octet: text for octet, text in _OCTETS.items()}
_USUAL = (
    rb"(?s)..[\x00\x01].\x00\x01\x00\x00\x00\x00\x00([\x00\x01])"
    rb"([\x01-\x03][0-9]+)([\x01-\x03][0-9]+)([\x01-\x03][0-9]+)([\x01-\x03][0-9]+)"
    rb"(?i:%b)\x00(.)\x00\x01(\x00\x00\x29..\x00\x00..\x00\x00)?"
)
"""Header, name, type and class, and EDNS's record without options."""


class Zone:
    """The operator's zone, as questions are compared with it."""

    def __init__(self, name: str) -> None:
        self.labels = tuple(label.encode() for label in name.lower().rstrip(".").split("."))
        text = b"".join(bytes([len(label)]) + label for label in self.labels) + b"\0"
        self.size = len(text)  # in a message
        self.usual = re.compile(_USUAL % re.escape(text)).fullmatch


@dataclass(slots=True)
class _Question:
    """What a reply needs of its question."""

    ident: int
    flags: int
    text: bytes = b""  # name, type and class as they came
    qtype: int = 0
    edns: bool = False


class DnsDialogue(Dialogue):
    """One connection, whose messages have their length in front, or one datagram."""

    lasts = True

    def __init__(self, zone: Zone, *, datagram: bool) -> None:
        self._zone = zone
        self._datagram = datagram
        self._buffer = b""
        self._owed: deque[_Question | bytes] = deque()
        """What is asked of the authority, and the replies to what came right behind it."""
        self._replies: list[bytes] = []

    def receive_data(self, data: bytes) -> list[Query]:
        if self._datagram:
            return self._read(data) if data else []
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

    def reply(self, request: Request, outcome: Outcome) -> None:
        owed, replies = self._owed, self._replies
        question = cast(_Question, owed.popleft())
        if type(outcome) is Permit:
            records = _records(question.qtype, outcome.grant.user)
            replies.append(self._encode(question, _NOERROR, *records))
        else:
            code = _NXDOMAIN if type(outcome) is NoOpinion else _SERVFAIL
            replies.append(self._encode(question, code))
        while owed and type(owed[0]) is bytes:
            replies.append(cast(bytes, owed.popleft()))

    def data_to_send(self) -> bytes:
        data = b"".join(self._replies)
        self._replies.clear()
        return data

    def _read(self, message: bytes) -> list[Query]:
        """The query of a message; what needs no authority is answered at once."""
        usual = self._zone.usual(message)
        if usual is not None:
            additional, d, c, b, a, qtype, opt = usual.groups()
            try:
                client = f"{_LABELS[a]}.{_LABELS[b]}.{_LABELS[c]}.{_LABELS[d]}"
            except KeyError:
                return self._read_by_label(message)
            if (opt is None) == (additional == b"\0"):
                ident, flags = _TYPES.unpack_from(message)
                text = message[12 : usual.end(6) + 2]
                self._owed.append(_Question(ident, flags, text, qtype[0], opt is not None))
                return [Query(client)]
        return self._read_by_label(message)

    def _read_by_label(self, message: bytes) -> list[Query]:
        if not _HEADER.size <= len(message) <= LONGEST_MESSAGE:
            raise WireError("no DNS message")
        ident, flags, questions, answers, authorities, additional = _HEADER.unpack_from(message)
        if flags & _QR:
            raise WireError("a DNS reply, not a question")
        question = _Question(ident, flags)
        if flags & _OPCODE:
            self._say(question, _NOTIMP)
            return []
        try:
            if questions != 1 or answers or authorities:
                raise WireError("not one question")
            labels, end = _name(message.lower(), _HEADER.size)  # lengths are below the letters
            qtype, qclass = _TYPES.unpack_from(message, end)
            version = _edns(message, end + _TYPES.size, additional)
        except (WireError, IndexError, struct.error):
            self._say(question, _FORMERR)
            return []
        text = message[_HEADER.size : end + _TYPES.size]
        question = _Question(ident, flags, text, qtype, version is not None)
        inside = len(labels) - len(self._zone.labels)
        if version:
            self._say(question, _BADVERS)
        elif inside < 0 or labels[inside:] != self._zone.labels or qclass not in (_IN, _ANY):
            self._say(question, _REFUSED)
        elif (client := _client(labels[:inside])) is None:
            self._say(question, _NXDOMAIN)
        elif client:
            self._owed.append(question)
            return [Query(client)]
        elif not inside and qtype in (_SOA, _ANY):
            self._say(question, _NOERROR, self._soa(question))
        else:
            self._say(question, _NOERROR)
        return []

    def _say(self, question: _Question, code: int, *records: bytes) -> None:
        """Reply to what needs no authority, in its turn."""
        (self._owed or self._replies).append(self._encode(question, code, *records))

    def _encode(self, question: _Question, code: int, *records: bytes) -> bytes:
        """One reply; the SOA stands in it where there is no record, so that nobody caches that."""
        denied = not records and code in (_NOERROR, _NXDOMAIN)
        header = _HEADER.pack(
            question.ident,
            _QR | _AA | question.flags & (_OPCODE | _RD) | code & 15,
            question.text != b"",
            len(records),
            denied,
            question.edns,
        )
        authority = self._soa(question) if denied else b""
        opt = b""
        if question.edns:
            opt = _OUR_OPT_BADVERS if code == _BADVERS else _OUR_OPT
        message = b"".join((header, question.text, *records, authority, opt))
        return message if self._datagram else len(message).to_bytes(2) + message

    def _soa(self, question: _Question) -> bytes:
        return _soa(_HEADER.size + len(question.text) - _TYPES.size - self._zone.size)


@lru_cache(256)  # names are no longer
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
    return lambda peer, datagram: DnsDialogue(zone, datagram=datagram)
