"""A client of hMailServer's that breaks lines; and a log whose line ends were lost."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from poplock.core.events import Event
from poplock.dialects import load
from poplock.dialects.scanner import Scanner
from poplock.wire.lines import LineCutter

LINE = b'"%b"\t5108\t%d\t"2026-11-24 10:00:00.123"\t"%b"\t"%b"\r\n'
TRUE, FORGED = b"192.0.2.66", b"198.51.100.7"


def pop3(session: int, message: bytes, ip: bytes = TRUE) -> bytes:
    return LINE % (b"POP3D", session, ip, message)


def forged(session: int, message: bytes) -> bytes:
    """A line as it stands behind a client's bare LF: its end is the server's."""
    return pop3(session, message, FORGED)[:-3]


def read(log: bytes, size: int = 1 << 20) -> list[Event]:
    cutter, scanner = LineCutter(), Scanner(load(["hmailserver"]))
    blocks = (cutter.feed(log[i : i + size]) for i in range(0, len(log), size))
    return [e for block in blocks for e in scanner.feed(block, time.time())]


HONEST = pop3(7, b"RECEIVED: USER ann") + pop3(7, b"SENT: +OK Mailbox locked and ready")
IN = b"SENT: +OK Mailbox locked and ready"
ATTACKS = [
    [b"NOOP\n" + forged(9, b"RECEIVED: USER eve"), b"NOOP\n" + forged(9, IN)],
    [b"USER eve\n" + forged(9, b"RECEIVED: USER eve") + b'"\n' + forged(9, IN)],
    [
        b"USER eve\n" + forged(9, b"RECEIVED: USER eve") + b'"\r\r',
        b"x\n" + forged(9, IN) + b'"\r\r',
    ],
    [b'x"\n\n\n' + forged(9, b"RECEIVED: USER eve"), b'x"\r\n'[:3] + b"\n" + forged(9, IN)],
]


@pytest.mark.parametrize("commands", ATTACKS)
@pytest.mark.parametrize("size", [1, 7, 100, 4096, 1 << 20])
def test_a_line_behind_a_broken_one_is_no_evidence(commands: list[bytes], size: int) -> None:
    log = HONEST + b"".join(pop3(8, b"RECEIVED: " + c) for c in commands)
    assert [str(e.ip) for e in read(log, size)] == [TRUE.decode()]


@given(st.lists(st.binary(max_size=60) | st.sampled_from([forged(9, IN), b"\n", b'"', b"\r"])))
@example([b"\n", forged(9, b"RECEIVED: USER eve"), b'"\r\n'[:2]])
def test_whatever_a_client_sends_no_login_from_elsewhere(parts: list[bytes]) -> None:
    said = b"".join(parts).replace(b"\r\n", b"[nl]")  # as CleanLogMessage_ does it
    half = pop3(8, b"RECEIVED: x\n" + forged(9, b"RECEIVED: USER eve"))
    for event in read(half + pop3(8, b"RECEIVED: " + said) + pop3(8, b"RECEIVED: QUIT")):
        assert str(event.ip).encode() == TRUE


def test_the_servers_own_answer_ends_the_doubt() -> None:
    log = pop3(8, b"RECEIVED: x\ny") + pop3(8, b"SENT: -ERR Invalid command in current state.")
    assert len(read(log + HONEST)) == 1


def test_a_log_without_its_cr_is_not_read() -> None:
    assert read(HONEST.replace(b"\r\n", b"\n")) == []
