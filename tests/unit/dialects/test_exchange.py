"""Exchange's rows that a client broke, and rows from the future."""

import time
from datetime import UTC, datetime

import pytest

from poplock.core.events import Event
from poplock.dialects import load
from poplock.dialects.scanner import Scanner

ROW = b"%b,00B7,%d,192.0.2.1:993,%b:40112,%b,205,48,24,login,%b,R=OK,\r\n"


def stamp(moment: float) -> bytes:
    return datetime.fromtimestamp(moment, UTC).isoformat("T", "milliseconds")[:-6].encode() + b"Z"


def read(*rows: bytes, now: float) -> list[Event]:
    scanner = Scanner(load(["exchange"]))
    return [e for row in rows for e in scanner.feed(row, now)]


@pytest.mark.parametrize("later", [0.0, 30.0, 59.0, 119.0, 3600.0])
def test_what_follows_a_broken_row_is_no_evidence(later: float) -> None:
    now = time.time()
    broken = ROW[:-7] % (stamp(now), 1, b"192.0.2.66", b"ann", b'"x')
    forged = ROW % (stamp(now + later), 1, b"198.51.100.7", b"ann", b"ann")
    assert read(broken + b"\r\n", forged, now=now) == []


def test_two_minutes_after_a_broken_row_the_log_is_believed_again() -> None:
    now = time.time()
    broken = ROW[:-7] % (stamp(now - 200), 1, b"192.0.2.66", b"ann", b'"x')
    row = ROW % (stamp(now), 1, b"192.0.2.7", b"ann", b"ann")
    assert len(read(broken + b"\r\n", row, now=now)) == 1


def test_the_stamp_is_utc_whatever_the_zone_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "NZST-12")
    time.tzset()
    try:
        moment = 1_790_000_000.5
        (event,) = read(ROW % (stamp(moment), 1, b"192.0.2.7", b"ann", b"ann"), now=moment)
        assert event.time == moment
    finally:
        monkeypatch.undo()
        time.tzset()
