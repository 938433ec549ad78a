"""What is particular to RADIUS accounting."""

import hashlib
import struct
from ipaddress import ip_address

import pytest

from poplock.authorizer import Authorizer
from poplock.core.answers import NoOpinion, Permit, Query, Unavailable
from poplock.core.clock import FakeClock
from poplock.core.errors import WireError
from poplock.core.events import NOW, Event, Login, Logout, Reset
from poplock.core.grants import Revoked
from poplock.core.policy import Policy, Rules
from poplock.sources.radius import Answered, RadiusDialogue
from tests.packets import (
    ADDRESS,
    ANN,
    DELAY,
    FRAMED_IP,
    FRAMED_IPV6,
    INTERIM,
    MESSAGE_AUTHENTICATOR,
    NAS_ID,
    NAS_IP,
    OFF,
    ON,
    PREFIX,
    PROXY_STATE,
    SECRET,
    SESSION_TIME,
    STAMP,
    START,
    STATUS,
    STOP,
    USER,
    Pair,
    response_is_right,
    status,
    word,
)
from tests.packets import accounting as packet

CLIENT = "192.0.2.1"
TODAY = 1_790_000_000.0


def dialogue(secret: bytes | None = SECRET, answered: Answered | None = None) -> RadiusDialogue:
    return RadiusDialogue(client=CLIENT, secret=secret, now=TODAY, answered=answered or Answered())


def events(*pairs: Pair) -> list[Event]:
    return list(dialogue().receive_data(packet(*pairs)))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [START, INTERIM])
def test_a_session_with_an_address_is_a_login_answered_when_kept(kind: int) -> None:
    talk, request = dialogue(), packet(status(kind), *ANN, ADDRESS)
    (event,) = talk.receive_data(request)
    session = "192.0.2.1/192.0.2.1/5F-01/ip"
    login = Login(NOW, ip_address("203.0.113.9"), "ann@example.org", "radius", session=session)
    assert event == login
    assert talk.data_to_send() == b""
    talk.reply(event, None)
    assert response_is_right(talk.data_to_send(), request)


def test_what_could_not_be_kept_gets_no_response() -> None:
    talk = dialogue()
    first, second = talk.receive_data(
        packet(status(START), *ANN, ADDRESS, (FRAMED_IPV6, bytes(16)))
    )
    talk.reply(first, Unavailable("disk full"))
    talk.reply(second, None)
    assert talk.data_to_send() == b""


def test_each_address_is_a_login_with_a_session_of_its_own() -> None:
    ipv6 = ip_address("2001:db8:1::5").packed
    prefix = ip_address("2001:db8:2::").packed
    told = events(
        status(START),
        *ANN,
        ADDRESS,
        (FRAMED_IPV6, ipv6),
        (PREFIX, b"\0\x40" + ip_address("2001:db8:1::").packed),
        (PREFIX, b"\0\x38" + prefix[:7]),
    )
    assert [(str(e.ip), (e.session or "").rpartition("/")[2]) for e in told] == [
        ("203.0.113.9", "ip"),
        ("2001:db8:1::5", "ipv6"),
        ("2001:db8:2::", "ipv6b"),
    ]


@pytest.mark.parametrize(
    "address",
    [(), ((FRAMED_IP, b"\xff\xff\xff\xff"),), ((FRAMED_IP, b"\xff\xff\xff\xfe"),)],
    ids=["none", "the user's choice", "the server's choice"],
)
def test_a_start_without_an_address_is_answered_and_waits(address: tuple[Pair, ...]) -> None:
    talk, request = dialogue(), packet(status(START), *ANN, *address)
    assert talk.receive_data(request) == []
    assert response_is_right(talk.data_to_send(), request)


def test_a_stop_ends_the_session_and_gives_its_addresses_back() -> None:
    (start,) = events(status(START), *ANN, ADDRESS)
    stops = events(status(STOP), *ANN)
    assert all(isinstance(e, Logout) and e.released for e in stops)
    assert start.session in [e.session for e in stops]


@pytest.mark.parametrize("kind", [ON, OFF])
def test_on_and_off_reset_the_sessions_of_that_server_only(kind: int) -> None:
    (start,) = events(status(START), *ANN, ADDRESS)
    (other,) = events(status(START), *ANN[:2], ADDRESS, (NAS_IP, bytes((192, 0, 2, 10))))
    (reset,) = events(status(kind), ANN[2])
    assert isinstance(reset, Reset)
    assert (start.session or "").startswith(reset.session or "?")
    assert not (other.session or "").startswith(reset.session or "?")


def test_a_server_named_like_a_part_of_another_is_another() -> None:
    (slash,) = events(status(START), *ANN[:2], ADDRESS, (NAS_ID, b"a/b"))
    (reset,) = events(status(ON), (NAS_ID, b"a"))
    assert not (slash.session or "").startswith(reset.session or "?")


@pytest.mark.parametrize(
    ("pairs", "time"),
    [
        ([], NOW),
        ([(DELAY, word(0))], NOW),
        ([(DELAY, word(90))], TODAY - 90),
        ([(STAMP, word(int(TODAY) - 600))], TODAY - 600),
        ([(STAMP, word(int(TODAY) - 600)), (DELAY, word(900))], TODAY - 900),
        ([(STAMP, word(int(TODAY) + 600))], NOW),
        ([(STAMP, word(86_400))], NOW),
    ],
)
def test_an_event_is_as_old_as_its_server_says(pairs: list[Pair], time: float) -> None:
    (event,) = events(status(START), *ANN, ADDRESS, *pairs)
    assert event.time == time


def test_an_interim_update_says_when_its_session_began_a_second_early_rather_than_late() -> None:
    (event,) = events(status(INTERIM), *ANN, ADDRESS, (SESSION_TIME, word(600)))
    assert isinstance(event, Login)
    assert (event.time, event.since) == (NOW, TODAY - 601)
    (late,) = events(status(INTERIM), *ANN, ADDRESS, (SESSION_TIME, word(600)), (DELAY, word(90)))
    assert isinstance(late, Login)
    assert (late.time, late.since) == (TODAY - 90, TODAY - 691)


class Line:
    """An access server's line of ann's, and a poplock that hears of it."""

    def __init__(self, authorizer: Authorizer, clock: FakeClock) -> None:
        self.authorizer, self.clock = authorizer, clock
        authorizer.policy = Policy(Rules(services=frozenset({"radius"})))
        self.began = 0.0

    def say(self, kind: int, *more: Pair, address: Pair = ADDRESS) -> None:
        if kind == START:
            self.began = self.clock.wall()
        length = (SESSION_TIME, word(int(self.clock.wall() - self.began)))
        talk = RadiusDialogue(
            client=CLIENT, secret=SECRET, now=self.clock.wall(), answered=Answered()
        )
        told = talk.receive_data(
            packet(status(kind), *ANN, address, *([] if kind == START else [length]), *more)
        )
        self.authorizer.record([e for e in told if not isinstance(e, Query)])

    def permitted(self, ip: str = "203.0.113.9") -> bool:
        answer = self.authorizer.check(Query(ip))
        assert isinstance(answer, Permit | NoOpinion)
        return isinstance(answer, Permit)


@pytest.fixture
def line(authorizer: Authorizer, clock: FakeClock) -> Line:
    return Line(authorizer, clock)


def test_an_interim_update_does_not_bring_back_what_was_revoked(line: Line) -> None:
    line.say(START)
    line.clock.advance(0.3)
    line.authorizer.revoke(None, None)
    for _ in range(5):
        line.clock.advance(599.9)
        line.say(INTERIM)
        assert not line.permitted()
    line.say(STOP)
    line.clock.advance(10.0)
    line.say(START)
    assert line.permitted(), "a new session is a new login"


def test_nor_does_one_that_came_before_another_hosts_revocation(line: Line) -> None:
    line.say(START)
    line.clock.advance(600)
    revoked = Revoked(None, "ann@example.org", line.clock.now())
    line.clock.advance(600)
    line.say(INTERIM)
    line.authorizer.learn(revoked)
    assert not line.permitted()


def test_interim_updates_hold_the_right_of_a_line_that_is_up_for_days(line: Line) -> None:
    line.say(START)
    for _ in range(3 * 24):
        line.clock.advance(3600.4)
        line.say(INTERIM)
        assert line.permitted()
    line.clock.advance(86_399)
    assert line.permitted(), "max_session after the last of them"
    line.clock.advance(2)
    assert not line.permitted()


def test_a_line_that_gets_another_address_moves_there(line: Line) -> None:
    line.say(START)
    line.clock.advance(600.4)
    line.say(INTERIM, address=(FRAMED_IP, bytes((203, 0, 113, 10))))
    (old, new) = sorted(line.authorizer.table, key=lambda grant: grant.network)
    assert (len(new.sessions), len(old.sessions)) == (0, 1)
    line.say(STOP)
    assert not line.permitted("203.0.113.10")


def test_a_copy_of_a_kept_request_is_answered_and_not_done_again() -> None:
    answered, request = Answered(), packet(status(START), *ANN, ADDRESS)
    first = dialogue(answered=answered)
    (event,) = first.receive_data(request)
    assert len(dialogue(answered=answered).receive_data(request)) == 1, "not kept yet"
    first.reply(event, None)
    again = dialogue(answered=answered)
    assert again.receive_data(request) == ()
    assert again.data_to_send() == first.data_to_send()


def test_requests_that_were_answered_are_remembered_within_bounds() -> None:
    answered = Answered()
    for i in range(20_001):
        answered.add(CLIENT, word(i))
    assert (CLIENT, word(0)) not in answered
    assert (CLIENT, word(1)) in answered


def test_proxy_state_comes_back_in_its_order() -> None:
    talk = dialogue()
    states = ((PROXY_STATE, b"one"), (PROXY_STATE, b"two"))
    request = packet(status(START), states[0], *ANN, states[1])
    talk.receive_data(request)
    reply = talk.data_to_send()
    assert response_is_right(reply, request)
    assert reply[20:] == b"\x21\x05one\x21\x05two"
    assert int.from_bytes(reply[2:4], "big") == len(reply)


def test_a_message_authenticator_is_checked() -> None:
    talk, request = dialogue(), packet(status(START), *ANN, sign=True)
    assert talk.receive_data(request) == []
    assert response_is_right(talk.data_to_send(), request)
    wrong = packet(status(START), *ANN, (MESSAGE_AUTHENTICATOR, bytes(16)))
    with pytest.raises(WireError, match="Message-Authenticator"):
        dialogue().receive_data(wrong)


def test_the_message_authenticators_own_bytes_elsewhere_do_not_mislead() -> None:
    signed = packet(status(START), *ANN, sign=True)
    copied = packet((25, signed[-18:]), status(START), *ANN, sign=True)
    assert dialogue().receive_data(copied) == []


def test_what_follows_the_packet_in_its_datagram_is_padding() -> None:
    talk, request = dialogue(), packet(status(START), *ANN, ADDRESS)
    assert len(talk.receive_data(request + b"padding")) == 1


@pytest.mark.parametrize("user", [(), ((USER, b""),), ((USER, b"\xff"),), ((USER, b"a\nb"),)])
def test_a_session_without_a_name_is_answered_counted_and_earns_nothing(
    user: tuple[Pair, ...],
) -> None:
    talk, request = dialogue(), packet(status(START), *ANN[1:], ADDRESS, *user)
    assert talk.receive_data(request) == ()
    assert talk.refusals is not None and len(talk.refusals) == 1
    assert response_is_right(talk.data_to_send(), request)


GOOD = packet(status(START), *ANN, ADDRESS)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"x", "too short"),
        (GOOD[:19], "too short"),
        (GOOD[:-1], "whose header says"),
        (GOOD[:2] + b"\0\x13" + GOOD[4:], "whose header says 19"),
        (GOOD + bytes(4096), "more than 4096"),
        (packet(status(START), *ANN, ADDRESS, code=1), "code 1"),
        (packet(status(START), *ANN, ADDRESS, code=5), "code 5"),
        (packet(status(START), *ANN, ADDRESS, secret=b"plugh"), "secret"),
        (GOOD[:-1] + b"\x08", "secret"),
        (packet(*ANN, ADDRESS), "without Acct-Status-Type"),
        (packet(status(START), ANN[0], ADDRESS), "without Acct-Session-Id"),
        (packet(status(STOP), ANN[0]), "without Acct-Session-Id"),
        (packet(status(START), *ANN, ADDRESS, ADDRESS), "two values of attribute 8"),
        (packet(status(START), status(STOP), *ANN), "two values of attribute 40"),
        (packet(status(START), *ANN, (FRAMED_IP, b"abc")), "attribute 8 with 3 bytes"),
        (packet(status(START), *ANN, (FRAMED_IPV6, bytes(15))), "attribute 168 with 15"),
        (packet(status(START), *ANN, (PREFIX, b"\0")), "Framed-IPv6-Prefix of 1 bytes"),
        (packet(status(START), *ANN, (PREFIX, b"\0\x81" + bytes(16))), "129 bits"),
        (packet(status(START), *ANN, (PREFIX, b"\0\x40" + bytes(7))), "64 bits in 7 bytes"),
        (packet(*[(25, b"x")] * 201, status(START)), "more than 200 attributes"),
    ],
)
def test_what_is_wrong_is_met_with_silence(data: bytes, why: str) -> None:
    talk = dialogue()
    with pytest.raises(WireError, match=why):
        talk.receive_data(data)
    assert talk.data_to_send() == b""


def test_an_attribute_that_runs_over_the_end_is_refused() -> None:
    for tail in (b"\x01", b"\x01\x00", b"\x01\x01", b"\x01\x09ann"):
        body = bytes((STATUS, 6)) + word(START) + tail
        head = struct.pack(">BBH", 4, 1, 20 + len(body))
        data = head + hashlib.md5(head + bytes(16) + body + SECRET).digest() + body
        with pytest.raises(WireError, match="wrong length"):
            dialogue().receive_data(data)


def test_a_client_without_a_secret_is_met_with_silence() -> None:
    talk = dialogue(secret=None)
    with pytest.raises(WireError, match="without a secret"):
        talk.receive_data(GOOD)
    assert talk.data_to_send() == b""
