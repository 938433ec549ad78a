r"""Syslog: nothing but WireError gets out, cuts change nothing, and no text becomes a message.

Half of the inputs are the hostile lines of Dovecot's and strangers' templates, sent as messages of
RFC 3164 and RFC 5424, counted or as lines, in a stream that is cut at random, or as datagrams.
Counted messages and datagrams carry LF and NUL as they are; in lines LF is escaped, as it must be.
The other half are such streams mutated: bytes flipped, cut out, doubled, put in from elsewhere.
"""

from collections.abc import Iterator
from contextlib import suppress
from random import Random

from poplock.core.clock import FakeClock
from poplock.core.errors import WireError
from poplock.core.events import Event, Login
from poplock.dialects import DIALECTS, load
from poplock.dialects.scanner import Scanner
from poplock.sources.syslog import Reader, SyslogDialogue
from poplock.wire.syslog import LONGEST, Frames, read_message
from tests.conftest import make_intake

from .hostile import SYSLOG_LINE, TRUE, Template, of_dialect, pieces_of, text

_BLOCK = 40  # messages in one stream
_EDGES = (
    b"\0",
    b"\xff",
    b"\n",
    b" ",
    b"<",
    b">",
    b"0",
    b"1 ",
    b"65536 ",
    b"65537 ",
    b"[",
    b"]",
    b'"',
)


def harness(random: Random, count: int) -> None:
    templates = of_dialect("dovecot")
    parts = pieces_of(templates)
    reader = Reader(Scanner(load(DIALECTS)), make_intake(FakeClock(wall=1.8e9)))
    while count > 0:
        template = random.choice(templates)
        size = min(_BLOCK, count)
        count -= size
        messages = list(_messages(random, template, parts, size))
        if random.getrandbits(1):
            _hear(random, reader, template, messages)
        else:
            _survive(random, reader, messages)


def _messages(
    random: Random, template: Template, parts: list[bytes], count: int
) -> Iterator[tuple[bytes, bool]]:
    """Messages, and whether they have to be sent with a count of their octets."""
    for _ in range(count):
        others = [text(random, parts) for _ in range(2)]
        line = template.fill(text(random, parts), others).partition(b"\n")[0]
        found = SYSLOG_LINE.fullmatch(line)
        if found is None:  # a program's own log: not for syslog
            yield b"<22>" + line, False
            continue
        host, tag, pid, body = found.groups()
        raw = not random.getrandbits(2)
        if raw:
            body = body.replace(b"#012", random.choice((b"\n", b"\0", b"\n\0")))
        yield _head(random, host, tag, pid) + body, raw


def _head(random: Random, host: bytes, tag: bytes, pid: bytes | None) -> bytes:
    priority = random.choice((b"<22>", b"<0>", b""))
    process = b"[%b]" % pid if pid else b""
    stamp = random.choice((b"Nov 24 10:00:00", b"2026-11-24T10:00:00.25+01:00"))
    match random.randrange(4):
        case 0:
            return priority + stamp + b" " + host + b" " + tag + process + b": "
        case 1:
            return priority + stamp + b" " + tag + process + b": "
        case 2:
            return b"<22>1 - " + host + b" " + tag + b" " + (pid or b"-") + b" - - "
        case _:
            data = random.choice((b'[a b="c"]', rb'[a b="\]\"\\"][x]', b'[a b="] : dovecot: "]'))
            return b"<22>1 2026-11-24T10:00:00Z - " + tag + b" - - " + data + b" "


def _hear(
    random: Random, reader: Reader, template: Template, messages: list[tuple[bytes, bool]]
) -> None:
    """Each login comes from the true address, or there is none, however the stream is cut."""
    stream = b""
    for message, raw in messages:
        counted = raw or random.getrandbits(1) or message[:1].isdigit()
        stream += b"%d %b" % (len(message), message) if counted else message + b"\n"
    events = _converse(reader, stream, len(stream))
    _check(template, events, stream)
    size = random.choice((1, 2, 3, 7, 50, 300))
    again = _converse(reader, stream, size) if size > 1 or not random.getrandbits(4) else events
    assert [(e.ip, e.user) for e in again] == [(e.ip, e.user) for e in events], (size, stream)
    for message, _ in messages[:5]:
        _check(template, SyslogDialogue(reader, b"peer", None).receive_data(message), message)


def _check(template: Template, events: "list[Event] | object", data: bytes) -> None:
    for event in events:  # type: ignore[attr-defined]
        if isinstance(event, Login):
            assert not template.never, f"a login from what must never be one: {data!r}"
            assert str(event.ip).encode() == TRUE, f"a login from {event.ip}: {data!r}"


def _survive(random: Random, reader: Reader, messages: list[tuple[bytes, bool]]) -> None:
    """Nothing gets out of mutated streams and messages but WireError, in bounded memory."""
    stream = bytearray()
    for message, _ in messages:
        stream += b"%d %b" % (len(message), message) if random.getrandbits(1) else message + b"\n"
    for _ in range(random.randrange(1, 12)):
        at = random.randrange(len(stream) + 1)
        match random.randrange(4):
            case 0:
                del stream[at : at + random.randrange(9)]
            case 1:
                stream[at:at] = random.choice(_EDGES)
            case 2:
                stream[at:at] = stream[at // 2 : at // 2 + random.randrange(200)]
            case _:
                stream[at : at + 1] = random.randbytes(1)
    data = bytes(stream)
    frames = Frames(counted_only=not random.getrandbits(2))
    size = random.choice((7, 50, 1000))
    with suppress(WireError):
        for start in range(0, len(data), size):
            frames.feed(data[start : start + size])
            assert frames.pending <= LONGEST + 8 + size, data
    with suppress(WireError):
        _converse(reader, data, size)
    for message, _ in messages[:5]:
        at = random.randrange(len(message) + 1)
        mutated = message[:at] + random.choice(_EDGES) + message[at + random.randrange(3) :]
        read = read_message(mutated)
        assert b" " not in read.host + read.tag + read.pid, mutated
        assert b":" not in read.tag and b"[" not in read.tag, mutated


def _converse(reader: Reader, data: bytes, size: int) -> list[Event]:
    talk = SyslogDialogue(reader, b"peer", Frames())
    return [e for i in range(0, len(data), size) for e in talk.receive_data(data[i : i + size])]
