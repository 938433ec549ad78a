"""What is particular to DNS. The questions are composed here, byte by byte."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poplock.answers.dns import DnsDatagram, Zone
from poplock.core.answers import NoOpinion, Outcome, Permit, Unavailable
from poplock.core.errors import WireError
from poplock.core.grants import Grant

ZONE = Zone("relay.example.org")
A, NS, SOA, TXT, AAAA, ANY = 1, 2, 6, 16, 28, 255
V4 = "9.113.0.203.relay.example.org"
V6 = ".".join(reversed("20010db8000000000000000000010002")) + ".relay.example.org"
MAPPED = ".".join(reversed("00000000000000000000ffffcb007109")) + ".relay.example.org"
OPT = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)


def grant(user: str = "ann") -> Permit:
    return Permit(Grant("203.0.113.9/32", user, "log", None, 0.0, 0.0, 1.0))  # type: ignore[arg-type]


def name(text: str) -> bytes:
    labels = (label.encode() for label in text.split("."))
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def question(
    text: str = V4, qtype: int = A, flags: int = 0x0100, more: bytes = b"", additional: int = 0
) -> bytes:
    header = struct.pack("!6H", 4711, flags, 1, 0, 0, additional)
    return header + name(text) + struct.pack("!2H", qtype, 1) + more


def asked(message: bytes) -> tuple[DnsDatagram, list[str]]:
    talk = DnsDatagram(ZONE)
    queries = [*talk.receive_data(message), *talk.receive_data(b"")]
    return talk, [q.client for q in queries]


def replied(message: bytes, outcome: Outcome) -> tuple[int, int, bytes]:
    """Code, number of records in the answer, the whole reply."""
    talk = DnsDatagram(ZONE)
    for query in talk.receive_data(message):
        talk.reply(query, outcome)
    reply = talk.data_to_send()
    ident, flags, _, answers, _, _ = struct.unpack_from("!6H", reply)
    assert (ident, flags & 0x8000) == (4711, 0x8000)
    assert len(reply) <= 512
    return flags & 15, answers, reply


def test_addresses_stand_in_reverse_and_names_are_of_any_case() -> None:
    assert asked(question())[1] == ["203.0.113.9"]
    assert asked(question("9.113.0.203.Relay.EXAMPLE.org"))[1] == ["203.0.113.9"]
    assert asked(question(V6))[1] == ["2001:0db8:0000:0000:0000:0000:0001:0002"]
    assert asked(question(V6.upper()))[1] == ["2001:0db8:0000:0000:0000:0000:0001:0002"]
    assert asked(question(MAPPED))[1] == ["0000:0000:0000:0000:0000:ffff:cb00:7109"]


def test_the_three_answers() -> None:
    code, answers, reply = replied(question(), grant())
    assert (code, answers) == (0, 1)
    assert reply.endswith(struct.pack("!HHHIH4B", 0xC00C, A, 1, 0, 4, 127, 0, 0, 2))
    code, answers, reply = replied(question(), NoOpinion("x"))
    assert (code, answers) == (3, 0)
    assert reply.endswith(struct.pack("!I", 0))  # the SOA's minimum: nobody remembers a "no"
    assert replied(question(), Unavailable("x"))[:2] == (2, 0)


def test_the_text_names_the_user_and_never_makes_a_reply_too_long() -> None:
    assert replied(question(qtype=TXT), grant("ann@example.org"))[2].endswith(
        b"\x0fann@example.org"
    )
    assert replied(question(V6, TXT, more=OPT, additional=1), grant("ü" * 255))[1] == 1
    assert replied(question(qtype=ANY), grant())[1] == 2
    assert replied(question(qtype=AAAA), grant())[:2] == (0, 0)


@pytest.mark.parametrize(
    ("text", "qtype", "code", "answers"),
    [
        ("relay.example.org", SOA, 0, 1),
        ("relay.example.org", NS, 0, 0),
        ("203.relay.example.org", A, 0, 0),  # on the way down to an address
        ("8.b.d.0.1.0.0.2.relay.example.org", A, 0, 0),
        ("www.relay.example.org", A, 3, 0),
        ("256.0.0.203.relay.example.org", A, 3, 0),
        ("09.113.0.203.relay.example.org", A, 3, 0),
        ("1.9.113.0.203.relay.example.org", A, 3, 0),
        ("1.9.3.0.2.relay.example.org", A, 0, 0),  # five nibbles are a part of an address
        ("99.9.113.0.203.relay.example.org", A, 3, 0),
        ("0." + V6, A, 3, 0),
        ("x." + V4, A, 3, 0),
        ("9.113.0.203.example.net", A, 5, 0),
        ("org", A, 5, 0),
        ("9.113.0.203.xrelay.example.org", A, 5, 0),
    ],
)
def test_what_is_no_address_needs_no_authority(
    text: str, qtype: int, code: int, answers: int
) -> None:
    assert asked(question(text, qtype))[1] == []
    assert replied(question(text, qtype), grant())[:2] == (code, answers)


def test_a_label_that_holds_the_zones_bytes_is_not_the_zone() -> None:
    message = question()
    inside = b"\x04\x039.1" + name("relay.example.org")[:-1]
    odd = message[:12] + bytes([len(inside)]) + inside + name("example.net") + message[-4:]
    assert asked(odd)[1] == []


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (question(flags=0x2800), 4),  # an update
        (question()[:-1], 1),
        (question() + b"x", 1),
        (question(additional=1), 1),
        (question(more=OPT + OPT, additional=2), 1),
        (struct.pack("!6H", 4711, 0, 0, 0, 0, 0), 1),
        (struct.pack("!6H", 4711, 0, 2, 0, 0, 0) + question()[12:] * 2, 1),
        (struct.pack("!6H", 4711, 0, 1, 1, 0, 0) + question()[12:], 1),
        (struct.pack("!6H", 4711, 0, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1", 1),
        (struct.pack("!6H", 4711, 0, 1, 0, 0, 0) + name(".".join(["x" * 60] * 5)) + b"\0\1\0\1", 1),
        (question()[:20], 1),
    ],
)
def test_a_wrong_message_is_told_so(message: bytes, code: int) -> None:
    assert replied(message, grant())[0] == code


@pytest.mark.parametrize("message", [b"x", b"\0" * 11, question(flags=0x8100), b"\0" * 1025])
def test_what_is_no_question_gets_no_reply(message: bytes) -> None:
    with pytest.raises(WireError):
        asked(message)


def test_edns_is_answered_with_edns_and_a_version_to_come_with_ours() -> None:
    code, _, reply = replied(question(more=OPT, additional=1), grant())
    assert (code, reply[-11:]) == (0, b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0))
    later = b"\0" + struct.pack("!HHIH", 41, 1232, 1 << 16, 4) + b"\0\x0a\0\0"
    code, answers, reply = replied(question(more=later, additional=1), grant())
    assert (code, answers) == (0, 0)
    assert reply[-11:] == b"\0" + struct.pack("!HHIH", 41, 1232, 1 << 24, 0)


def test_a_question_that_was_asked_before_is_answered_by_todays_answer_with_its_own_id() -> None:
    again = b"\0\1" + question(qtype=TXT)[2:]
    assert replied(question(qtype=TXT), grant("ann"))[2].endswith(b"\3ann")
    assert replied(question(qtype=TXT), grant("bob"))[2].endswith(b"\3bob")
    assert [replied(question(), o)[0] for o in (grant(), NoOpinion("x"), grant())] == [0, 3, 0]
    talk = DnsDatagram(ZONE)
    (query,) = talk.receive_data(again)
    talk.reply(query, Unavailable("x"))
    assert talk.data_to_send()[:4] == b"\0\1\x85\2"
    other = DnsDatagram(Zone("example.org"))
    assert not other.receive_data(question(qtype=TXT)), "in another zone it is another question"


@given(data=st.binary(max_size=200), flags=st.integers(0, 0x7FFF))
def test_any_datagram_gives_a_query_a_reply_or_a_wire_error(data: bytes, flags: int) -> None:
    talk = DnsDatagram(ZONE)
    try:
        queries = talk.receive_data(struct.pack("!HH", 1, flags) + data)
    except WireError:
        return
    assert bool(queries) != bool(talk.data_to_send())
