"""Logins told by syslog messages: when they count from, whose they are, on which kind of socket."""

from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

from poplock.config.listen import Tls
from poplock.config.sources import SyslogSettings
from poplock.core.clock import FakeClock
from poplock.core.errors import WireError
from poplock.core.events import Event, Login
from poplock.dialects import load
from poplock.dialects.model import Body, Dialect, Head, Rule, address
from poplock.dialects.scanner import Scanner
from poplock.sources.intake import Intake
from poplock.sources.syslog import Reader, SyslogDialogue, dialogues
from poplock.wire.syslog import LONGEST, Frames
from tests.conftest import make_intake

NOW = 1_800_000_000
TEXT = b"imap-login: Login: user=<ann>, method=PLAIN, rip=203.0.113.9, lip=192.0.2.1, session=<s1>"
TAGGED = b"mx dovecot: " + TEXT


@pytest.fixture
def intake(clock: FakeClock) -> Intake:
    return make_intake(clock)


def talk(intake: Intake, frames: Frames | None = None) -> SyslogDialogue:
    return SyslogDialogue(Reader(Scanner(load(["dovecot"])), intake), b"local", frames)


def stamp(moment: float) -> bytes:
    return datetime.fromtimestamp(moment, UTC).isoformat().encode()


@pytest.mark.parametrize(
    ("before", "moment"),
    [
        (b"<22>Nov 24 10:00:00 ", NOW),
        (b"<22>Jan  1 00:00:00 ", NOW),
        (b"<22>" + stamp(NOW) + b" ", NOW),
        (b"<22>" + stamp(NOW - 1200.5) + b" ", NOW - 1200.5),
        (b"<22>" + stamp(NOW + 1200.5) + b" ", NOW),
        (stamp(NOW - 86_400 * 365) + b" ", NOW - 86_400 * 365),
    ],
)
def test_a_login_counts_from_its_own_time_if_that_is_known_and_never_later_than_its_arrival(
    intake: Intake, before: bytes, moment: float
) -> None:
    (login,) = talk(intake).receive_data(before + TAGGED)
    assert isinstance(login, Login)
    assert (login.time, login.ip, login.user) == (moment, ip_address("203.0.113.9"), "ann")


def test_rfc_5424_with_and_without_a_time(intake: Intake) -> None:
    dialogue = talk(intake)
    for time, moment in ((stamp(NOW - 60), NOW - 60), (b"-", NOW)):
        (login,) = dialogue.receive_data(b"<22>1 " + time + b" mx dovecot 7 - - " + TEXT)
        assert login.time == moment


@pytest.mark.parametrize(
    "message",
    [
        b"<22>" + TAGGED,
        b"<22>Nov 24 10:00:00 mx logger: " + TEXT,
        b"<22>Nov 24 10:00:00 mx logger: x\nNov 24 10:00:00 " + TAGGED,
        b"<22>Nov 24 10:00:00 mx logger: x\r\n" + stamp(NOW) + b" " + TAGGED,
        b"<22>Nov 24 10:00:00 mx dovecot: " + TEXT + b"\nx",
        b"<22>1 - m/x dovecot 7 - - " + TEXT,
        b"",
    ],
)
def test_what_is_no_login(intake: Intake, message: bytes) -> None:
    assert list(talk(intake).receive_data(message)) == []
    counted = b"%d %b" % (len(message), message) if message else b""
    assert list(talk(intake, Frames()).receive_data(counted)) == []


def test_what_cannot_be_read_is_counted(intake: Intake) -> None:
    dialogue = talk(intake)
    dialogue.receive_data(b"hello")
    dialogue.receive_data(b"<22>Nov 24 10:00:00 mx dovecot: imap-login: Login: user=<ann>")
    dialogue.receive_data(b"<22>Nov 24 10:00:00 mx cron: nothing of interest")
    assert intake.health.skipped == 2


def test_a_datagram_has_a_limit(intake: Intake) -> None:
    with pytest.raises(WireError, match="65537 bytes"):
        talk(intake).receive_data(b"x" * (LONGEST + 1))


def test_a_stream_is_at_rest_between_messages(intake: Intake) -> None:
    dialogue = talk(intake, Frames())
    assert dialogue.at_rest
    dialogue.receive_data(b"<22>Nov 24 10:00:00 mx cron")
    assert not dialogue.at_rest
    dialogue.receive_data(b": x\n")
    assert dialogue.at_rest
    assert talk(intake).at_rest


def test_the_configuration_decides_about_frames_and_names_the_sender(intake: Intake) -> None:
    counted = b"%d <22>Nov 24 10:00:00 dovecot: %b" % (len(TEXT) + 29, TEXT)
    line = b"<22>Nov 24 10:00:00 dovecot: " + TEXT + b"\n"
    tls = Tls(certificate="/c", key="/k")
    plain = SyslogSettings(listen=("inet:127.0.0.1:514",))
    secured = SyslogSettings(listen=("inet:127.0.0.1:6514",), tls=tls)
    for settings in (plain, secured):
        make = dialogues(settings, intake)
        assert len(make(ip_address("192.0.2.1"), False).receive_data(counted)) == 1
        assert len(make(None, True).receive_data(line)) == 1
    assert len(dialogues(plain, intake)(None, False).receive_data(line)) == 1
    with pytest.raises(WireError, match="RFC 5425"):
        dialogues(secured, intake)(None, False).receive_data(line)


def first_half(head: Head, body: Body) -> None:
    head.pending.put((b"two", head.host, head.pid), head.time, body[1])


def second_half(head: Head, body: Body) -> Event | None:
    half = head.pending.take((b"two", head.host, head.pid), head.time)
    return half and Login(head.time, address(half[0]), body[1].decode(), "pop3")


TWO_LINES = Dialect(
    "two",
    (
        Rule("half", (b"popd",), b"from ", rb"([0-9.]+)", first_half),
        Rule("login", (b"popd",), b"user ", rb"([a-z]+)", second_half),
    ),
)


def test_the_two_lines_of_a_login_may_come_on_two_connections(
    intake: Intake, clock: FakeClock
) -> None:
    reader = Reader(Scanner([TWO_LINES]), intake)
    one, other = (SyslogDialogue(reader, b"192.0.2.1", Frames()) for _ in range(2))
    assert one.receive_data(b"<22>Nov 24 10:00:00 popd[7]: from 203.0.113.9\n") == []
    assert other.receive_data(b"<22>Nov 24 10:00:00 popd[8]: user ann\n") == []
    assert other.receive_data(b"<22>Nov 24 10:00:00 mx popd[7]: user ann\n") == []
    (login,) = other.receive_data(b"<22>Nov 24 10:00:00 popd[7]: user ann\n")
    assert str(login.ip) == "203.0.113.9"
    one.receive_data(b"<22>Nov 24 10:00:00 popd[7]: from 203.0.113.9\n")
    clock.advance(3600)  # whatever the stamps say: the process id may be another's by now
    assert other.receive_data(b"<22>Nov 24 10:00:00 popd[7]: user ann\n") == []
