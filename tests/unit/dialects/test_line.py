"""What the stamps of a log mean."""

import time
from datetime import UTC, datetime

import pytest

from poplock.dialects.line import Stamps


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        (b"2026-11-24T10:00:00Z", "2026-11-24T10:00:00+00:00"),
        (b"2026-11-24T10:00:00.25+01:00", "2026-11-24T09:00:00.25+00:00"),
        (b"2026-11-24T10:00:00.123456-05:30", "2026-11-24T15:30:00.123456+00:00"),
    ],
)
def test_rfc_3339_stamps_are_absolute(stamp: bytes, moment: str) -> None:
    assert Stamps().read(stamp, 0.0, live=True) == at(moment)


@pytest.mark.parametrize(
    "stamp",
    [b"2026-13-24T10:00:00Z", b"2026-02-30T10:00:00Z", b"Foo 24 10:00:00", b"Nov 31 10:00:00"],
)
def test_a_stamp_that_names_no_moment_is_none(stamp: bytes) -> None:
    assert Stamps().read(stamp, at("2026-11-24T12:00:00+00:00"), live=True) is None


def test_a_stamp_without_year_is_the_latest_that_is_not_in_the_future(berlin: None) -> None:
    now = at("2027-01-01T00:10:00+01:00")
    stamps = Stamps()
    assert stamps.read(b"Dec 31 23:59:00", now, live=True) == at("2026-12-31T23:59:00+01:00")
    assert stamps.read(b"Jan  1 00:09:59", now, live=True) == at("2027-01-01T00:09:59+01:00")
    assert stamps.read(b"Jan  2 00:00:00", now, live=True) == at("2026-01-02T00:00:00+01:00")


def test_a_writers_clock_may_be_a_little_ahead(berlin: None) -> None:
    now = at("2026-11-24T10:00:00+01:00")
    assert Stamps().read(b"Nov 24 10:00:30", now, live=True) == now + 30


def test_29_february_is_found_in_the_last_leap_year(berlin: None) -> None:
    assert Stamps().read(b"Feb 29 10:00:00", at("2028-03-01T00:00:00+01:00"), live=True) == at(
        "2028-02-29T10:00:00+01:00"
    )


def test_the_repeated_hour_is_the_later_one_live_and_the_earlier_one_when_catching_up(
    berlin: None,
) -> None:
    first = at("2026-10-25T02:30:00+02:00")
    second = at("2026-10-25T02:30:00+01:00")
    assert second - first == 3600
    now = at("2026-10-25T02:45:00+01:00")
    stamps = Stamps()
    assert stamps.read(b"Oct 25 02:30:00", now, live=True) == second
    assert stamps.read(b"Oct 25 02:30:00", now, live=False) == first
    assert stamps.read(b"Oct 25 02:30:00", first + 60, live=True) == first


def test_stamps_are_remembered_and_the_memory_is_bounded() -> None:
    stamps = Stamps()
    for second in range(20_000):
        moment = datetime.fromtimestamp(second, UTC).isoformat().replace("+00:00", "Z")
        assert stamps.read(moment.encode(), 0.0, live=True) == second
    assert len(stamps._known) <= 4096
