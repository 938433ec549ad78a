"""What the stamps of a log mean."""

import time
from datetime import UTC, datetime

import pytest

from poplock.core.events import Failure
from poplock.dialects.line import SYSLOG, TAI64N, TAI64N_TAG, Form, Stamps, canonical, read_tai64n
from poplock.dialects.model import Body, Dialect, Head, Rule
from poplock.dialects.scanner import Scanner


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


@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        (b"2026-11-24 10:00:00", "2026-11-24T10:00:00+01:00"),
        (b"2026-11-24 10:00:00,123", "2026-11-24T10:00:00.123+01:00"),
        (b"2026-11-24 10:00:00.123", "2026-11-24T10:00:00.123+01:00"),
        (b"2026-11-24T10:00:00", "2026-11-24T10:00:00+01:00"),
        (b"2026-11-24T10:00:00+0200", "2026-11-24T10:00:00+02:00"),
        (b"<22>1 2026-11-24T10:00:00.123456Z", "2026-11-24T10:00:00.123456+00:00"),
    ],
)
def test_an_iso_stamp_without_a_zone_is_local(berlin: None, stamp: bytes, moment: str) -> None:
    now = at("2026-11-24T12:00:00+01:00")
    assert Stamps().read(stamp, now, live=True) == at(moment)


def test_an_iso_stamp_without_a_zone_in_the_repeated_hour(berlin: None) -> None:
    now = at("2026-10-25T03:30:00+01:00")
    first, second = at("2026-10-25T02:30:00+02:00"), at("2026-10-25T02:30:00+01:00")
    assert Stamps().read(b"2026-10-25 02:30:00", now, live=True) == second
    assert Stamps().read(b"2026-10-25 02:30:00", now, live=False) == first
    assert Stamps().read(b"2026-10-25 02:30:00", first + 9, live=True) == first


LABEL = b"40000000%08x075bcd15"  # 123456789 ns


def test_tai64n_is_ten_seconds_ahead_of_unix_time_as_multilog_writes_it() -> None:
    moment = at("2026-11-24T10:00:00Z")
    label = LABEL % (int(moment) + 10)
    assert read_tai64n(label, moment + 1, True) == pytest.approx(moment + 0.123456789)


def test_tai64n_with_leap_seconds_is_known_by_standing_in_the_future() -> None:
    moment = at("2026-11-24T10:00:00Z")
    label = LABEL % (int(moment) + 37)
    assert read_tai64n(label, moment + 1, True) == pytest.approx(moment + 0.123456789)


@pytest.mark.parametrize(
    "label",
    [
        b"",
        b"40000000" * 2,
        LABEL % 1 + b"0",
        b"8" + (LABEL % 1)[1:],
        (LABEL % 1)[:16] + b"ffffffff",
    ],
)
def test_what_is_no_tai64n_label_names_no_moment(label: bytes) -> None:
    assert read_tai64n(label, 1.8e9, True) is None


def heard(line: bytes, *forms: Form, tags: tuple[bytes, ...] = (b"pop",)) -> Head | None:
    """What stands before the body of a line, as a rule with these forms learns it."""
    heads = []

    def build(head: Head, body: Body) -> Failure:
        heads.append(head)
        return Failure(head.time, None, None, "pop3")

    rule = Rule("failure", tags, rb"no ", rb"way", build, forms=forms)
    Scanner([Dialect("test", (rule,))]).feed(line + b"\n", 1.9e9)
    return heads[0] if heads else None


@pytest.mark.parametrize(
    ("line", "host", "pid"),
    [
        (b"Nov 24 10:00:00 mx pop: no way", b"mx", b""),
        (b"Nov 24 10:00:00 2001:db8::1 pop[12]: no way", b"2001:db8::1", b"12"),
        (b"2026-11-24T10:00:00Z mx pop[12]: no way", b"mx", b"12"),
        (b"2026-11-24 10:00:00 mx pop[12]: no way\r", b"mx", b"12"),
        (b"<22>1 2026-11-24T10:00:00Z mx pop 12 - - no way", b"mx", b"12"),
        (b"<22>1 2026-11-24T10:00:00Z mx pop - - -  no way", b"mx", b""),
        (b'<191>1 2026-11-24T10:00:00Z - pop x1 I [a b="\\"]"][c] no way', b"-", b""),
        (b"<22>1 2026-11-24T10:00:00Z mx pop - - - \xef\xbb\xbfno way", b"mx", b""),
    ],
)
def test_what_syslog_daemons_write_before_the_text(line: bytes, host: bytes, pid: bytes) -> None:
    head = heard(line, SYSLOG)
    assert head is not None
    assert (head.host, head.tag, head.pid, head.words) == (host, b"pop", pid, b"no ")


@pytest.mark.parametrize(
    "line",
    [
        b"Nov 24 10:00:00 mx pop no way",
        b"Nov 24 10:00:00 mx  pop: no way",
        b"Nov 24 10:00:00 mx xpop: no way",
        b"Nov 24 10:00:00 mx pop3: no way",
        b"Nov 24 10:00:00 mx pop[x]: no way",
        b"Nov 24 10:00:00 mx x pop: no way",
        b"Nov 24 10:00:00.1 mx pop: no way",
        b"Nov 24 10:00:00 mx y: Nov 24 10:00:00 mx pop: no way",
        b'<22>1 2026-11-24T10:00:00Z mx pop 12 - [a b="] no way',
        b'<22>1 2026-11-24T10:00:00Z mx x 12 - [a b="] pop: no way"] no way',
        b"<22>1 2026-11-24T10:00:00Z mx x pop - - no way",
        b" Nov 24 10:00:00 mx pop: no way",
    ],
)
def test_what_only_looks_like_it_is_nobodys(line: bytes) -> None:
    assert heard(line, SYSLOG) is None


def test_multilog_before_a_tag_and_without_one() -> None:
    label = b"@" + LABEL % 1_800_000_010
    plain = heard(label + b" no way", TAI64N, TAI64N_TAG)
    assert plain is not None
    assert plain[:4] == (1_800_000_000.123456789, b"", b"", b"")
    head = heard(label + b" pop[9]: no way", TAI64N_TAG)
    assert head is not None
    assert (int(head.time), head.tag, head.pid) == (1_800_000_000, b"pop", b"9")
    assert heard(label + b" pop: no way", TAI64N) is None


def test_a_server_may_have_a_form_of_its_own() -> None:
    form = Form((rb'"POP"\t(?P<pid>\d+)\t"(?P<stamp>[\d: .-]{23})"\t',))
    head = heard(b'"POP"\t7\t"2026-11-24 10:00:00.123"\tno way', form, SYSLOG)
    assert head is not None
    assert (head.host, head.tag, head.pid) == (b"", b"", b"7")


def test_a_canonical_line_is_read_as_it_was_meant() -> None:
    head = heard(canonical(1.8e9, b"mx", b"pop", b"12", b"no way")[:-1], SYSLOG)
    assert head is not None
    assert head[:4] == (1.8e9, b"mx", b"pop", b"12")


@pytest.mark.parametrize(
    ("host", "tag", "pid", "text"),
    [
        (b"mx pop:", b"x", b"", b"no way"),
        (b"mx\npop", b"x", b"", b"no way"),
        (b"mx", b"x pop", b"", b"no way"),
        (b"mx", b"x: pop", b"", b"no way"),
        (b"mx", b"pop:", b"", b"no way"),
        (b"mx", b"pop[1", b"", b"no way"),
        (b"mx", b"pop", b"1]: no way", b""),
        (b"mx", b"pop", b"x", b"no way"),
        (b"", b"pop", b"1", b"no way"),
        (b"mx", b"", b"1", b"pop: no way"),
        (b"mx", b"x", b"", b"a\nNov 24 10:00:00 mx pop: no way"),
        (b"mx", b"pop", b"", b"no way\n"),
        (b"mx", b"pop", b"", b"no way\r"),
        (b"mx", b"pop", b"", b"no way\0"),
    ],
)
def test_an_unclean_message_is_nobodys(host: bytes, tag: bytes, pid: bytes, text: bytes) -> None:
    line = canonical(1.8e9, host, tag, pid, text)
    assert line.count(b"\n") == 1
    assert b"\0" not in line
    assert heard(line[:-1], SYSLOG) is None


@pytest.mark.parametrize("moment", [float("inf"), float("nan"), -1e18, 1e18])
def test_a_time_that_is_none_gives_no_line(moment: float) -> None:
    assert canonical(moment, b"mx", b"pop", b"", b"no way") == b""
    assert canonical(1.8e9, b"mx", b"pop", b"", b"x" * 70_000) == b""
