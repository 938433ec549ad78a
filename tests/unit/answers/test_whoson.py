"""What is particular to WHOSON."""

from ipaddress import ip_address

import pytest

from poplock.answers.whoson import LONGEST_LINE, WhosonDialogue
from poplock.core.answers import NoOpinion, Permit, Query, Refused, Unavailable
from poplock.core.errors import WireError
from poplock.core.events import NOW, Login, Logout
from poplock.core.grants import Grant

IP = ip_address("203.0.113.9")
PERMIT = Permit(Grant("203.0.113.9/32", "ann", "log", None, 0.0, 0.0, 1.0))  # type: ignore[arg-type]


def stream() -> WhosonDialogue:
    return WhosonDialogue(user="nobody-said", service="pop3")


def datagram() -> WhosonDialogue:
    return WhosonDialogue(datagram=True, user="nobody-said", service="pop3")


def told(line: bytes) -> object:
    """What one datagram asks or tells."""
    (request,) = datagram().receive_data(line)
    return request


def said_to(data: bytes) -> bytes:
    """The reply to a datagram that is nothing but wrong."""
    talk = datagram()
    assert talk.receive_data(data) == []
    assert talk.refusals is not None and len(talk.refusals) == 1
    return talk.data_to_send()


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n", b"\r\n\r\n"])
def test_a_datagram_needs_neither_the_empty_line_nor_an_end_of_line(end: bytes) -> None:
    assert told(b"QUERY 203.0.113.9" + end) == Query("203.0.113.9")


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_stream_needs_the_empty_line(end: bytes) -> None:
    talk = stream()
    assert talk.receive_data(b"QUERY 203.0.113.9" + end) == []
    assert talk.receive_data(end) == [Query("203.0.113.9")]


def test_login_names_the_user_and_what_happens_happens_now() -> None:
    expected = Login(NOW, IP, "ann example", "pop3")
    assert told(b"login  203.0.113.9 \t ann   example ") == expected


def test_login_without_a_user_counts_for_the_configured_one() -> None:
    assert told(b"LOGIN 203.0.113.9") == Login(NOW, IP, "nobody-said", "pop3")


def test_logout_gives_the_address_back_whoever_had_it() -> None:
    assert told(b"LOGOUT 203.0.113.9") == Logout(NOW, IP, None, "pop3", released=True)


def test_a_mapped_address_is_an_ipv4_address() -> None:
    assert told(b"LOGIN ::ffff:203.0.113.9 ann") == Login(NOW, IP, "ann", "pop3")


@pytest.mark.parametrize(
    ("outcome", "reply"),
    [
        (PERMIT, b"+ann\r\n\r\n"),
        (NoOpinion("no grant"), b"-Not Logged in\r\n\r\n"),
        (Unavailable("disk full"), b"*unavailable, try again later\r\n\r\n"),
        (Refused("not listed"), b"*permission denied\r\n\r\n"),
    ],
)
def test_the_verdict_of_a_query_is_its_first_character(outcome: Permit, reply: bytes) -> None:
    talk = datagram()
    (query,) = talk.receive_data(b"QUERY 203.0.113.9")
    talk.reply(query, outcome)
    assert talk.data_to_send() == reply


def test_a_name_with_a_line_end_stays_one_line() -> None:
    grant = Grant("203.0.113.9/32", "a\r\n\r\n+b", "log", None, 0.0, 0.0, 1.0)  # type: ignore[arg-type]
    talk = datagram()
    (query,) = talk.receive_data(b"QUERY 203.0.113.9")
    talk.reply(query, Permit(grant))
    assert talk.data_to_send() == b"+a????+b\r\n\r\n"


def test_login_and_logout_are_answered_once_they_are_kept_or_could_not_be() -> None:
    talk = stream()
    requests = talk.receive_data(b"LOGIN 203.0.113.9 ann\n\nLOGOUT 203.0.113.9\n\nLOGIN ::1\n\n")
    assert talk.data_to_send() == b""
    for request, outcome in zip(requests, (None, None, Unavailable("disk full")), strict=True):
        talk.reply(request, outcome)
    ok = b"+LOGIN OK\r\n\r\n+LOGOUT OK\r\n\r\n"
    assert talk.data_to_send() == ok + b"*unavailable, try again later\r\n\r\n"


def test_replies_stay_in_the_order_of_the_requests() -> None:
    talk = stream()
    (query,) = talk.receive_data(b"NOOP\n\nQUERY 203.0.113.9\n\nNOOP\n\nQUIT\n\nQUERY ::1\n\n")
    wrong = b"*no such request; there are LOGIN, LOGOUT, QUERY and QUIT\r\n\r\n"
    assert talk.data_to_send() == wrong
    talk.reply(query, PERMIT)
    assert talk.data_to_send() == b"+ann\r\n\r\n" + wrong + b"+QUIT OK\r\n\r\n"
    assert talk.closing
    assert talk.receive_data(b"QUERY 203.0.113.9\n\n") == ()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"LOGIN", b"an address is missing"),
        (b"QUERY", b"an address is missing"),
        (b"LOGIN ann", b"no IP address"),
        (b"QUERY mx.example.org", b"no IP address"),
        (b"QUERY [203.0.113.9]", b"no IP address"),
        (b"QUERY fe80::1%eth0", b"no IP address"),
        (b"QUERY 203.0.113.09", b"no IP address"),
        (b"QUERY 203.0.113.9 ann", b"more than an address"),
        (b"LOGOUT 203.0.113.9 ann", b"more than an address"),
        (b"LOGIN 203.0.113.9 ann\0", b"control character"),
        (b"LOGIN 203.0.113.9 ann\nLOGIN 203.0.113.8 bob", b"control character"),
        (b"QUERY 203.0.113.9\n\nQUERY 203.0.113.8\n\n", b"control character"),
        (b"LOGIN 203.0.113.9 \xff", b"not UTF-8"),
        (b"LOGIN 203.0.113.9 " + b"x" * 256, b"more than 255"),
        ("LOGIN 203.0.113.9 a\u202eb".encode(), b"not printable"),
        ("LOGıN 203.0.113.9".encode(), b"no such request"),
        (b"LIST", b"no such request"),
        (b"QUIT now", b"no such request"),
        (b"GET / HTTP/1.1", b"no such request"),
        (b" ", b"no such request"),
    ],
)
def test_a_wrong_request_is_told_why(line: bytes, why: bytes) -> None:
    reply = said_to(line)
    assert reply.startswith(b"*") and why in reply and reply.endswith(b"\r\n\r\n")


def test_a_blank_before_the_verb_does_no_harm() -> None:
    assert told(b"  QUERY 203.0.113.9") == Query("203.0.113.9")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"QUERY 203.0.113.9\r\nQUERY 203.0.113.8\r\n", b"no empty line"),
        (b"\r\nQUERY 203.0.113.9\r\n\r\n", b"an empty line where"),
        (b"LOGIN 203.0.113.9 " + b"x" * LONGEST_LINE, b"a line of more than"),
    ],
)
def test_a_broken_frame_is_told_and_ends_the_conversation(data: bytes, why: bytes) -> None:
    talk = stream()
    with pytest.raises(WireError):
        talk.receive_data(data)
    reply = talk.data_to_send()
    assert reply.startswith(b"*" + why) and reply.endswith(b"\r\n\r\n")
    assert talk.closing


def test_a_broken_frame_costs_none_of_the_requests_before_it() -> None:
    talk = stream()
    (query,) = talk.receive_data(b"QUERY 203.0.113.9\n\n\nQUERY 203.0.113.8\n\n")
    talk.reply(query, NoOpinion("no grant"))
    assert talk.data_to_send().startswith(b"-Not Logged in\r\n\r\n*an empty line")
    assert talk.closing
    with pytest.raises(WireError):
        talk.receive_data(b"QUERY 203.0.113.9\n\n")


def test_a_datagram_that_is_too_long_is_refused() -> None:
    talk = datagram()
    with pytest.raises(WireError, match="more than 1472"):
        talk.receive_data(b"LOGIN 203.0.113.9 " + b"x" * LONGEST_LINE)
    assert talk.data_to_send().startswith(b"*a datagram of more than")


def test_a_stream_that_ends_within_a_login_is_no_login() -> None:
    """203.0.113.19 cut short would be another address."""
    talk = stream()
    assert talk.receive_data(b"LOGIN 203.0.113.1") == []
    assert talk.receive_data(b"") == ()
    assert talk.data_to_send() == b""
