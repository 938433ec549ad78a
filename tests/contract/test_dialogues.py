"""The laws of a dialogue, over every row of ANSWERS: chunks, garbage, three answers."""

import struct
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poplock.answers import ANSWERS, make_dialogues
from poplock.answers.opensmtpd import OpenSmtpdDialogue
from poplock.answers.postfix_policy import LONGEST_REQUEST
from poplock.config.answers import AnswerTypes
from poplock.core.addresses import parse_ip
from poplock.core.answers import Answer, NoOpinion, Permit, Query, Unavailable
from poplock.core.dialogue import Dialogue
from poplock.core.errors import WireError
from poplock.core.grants import Grant

SAMPLES = Path(__file__).parent.parent / "samples" / "answers"
GRANT = Grant("203.0.113.9/32", "ann", "log", "203.0.113.9", 0.0, 0.0, 1.0)  # type: ignore[arg-type]
every_answer = pytest.mark.parametrize("name", [*ANSWERS, "opensmtpd"])


NEEDED = {"dns": {"zone": "relay.example.org"}}
"""The keys that a type can't do without."""


def dialogue(name: str, *, datagram: bool = False) -> Dialogue:
    """What a peer of this kind of answer meets."""
    if name == "opensmtpd":  # which no socket is for
        return OpenSmtpdDialogue()
    text = {"type": name, "listen": "inet:127.0.0.1:1", **NEEDED.get(name, {})}
    settings = msgspec.convert(text, AnswerTypes)
    return make_dialogues(settings, with_sender=True)(None, datagram)


def transcript(name: str) -> tuple[bytes, list[Query]]:
    """A recorded conversation and the queries that stand in it: client, tab, sender."""
    binary = SAMPLES / f"{name}.hex"
    if binary.exists():
        lines = [li for li in binary.read_text().splitlines() if not li.startswith("#")]
        data = bytes.fromhex("".join(lines))
    else:
        data = (SAMPLES / f"{name}.txt").read_bytes()
    expected = [
        Query(client, sender if tab else None)
        for line in (SAMPLES / f"{name}.expected").read_text().splitlines()
        for client, tab, sender in [line.partition("\t")]
    ]
    return data, expected


def converse(name: str, data: bytes, size: int, answer: Answer) -> tuple[list[Query], bytes]:
    talk, queries, sent = dialogue(name), [], b""
    for i in range(0, len(data), size):
        for query in talk.receive_data(data[i : i + size]):
            assert isinstance(query, Query)
            queries.append(Query(query.client, query.sender))  # some protocols ask by more
            talk.reply(query, answer)
        sent += talk.data_to_send()
    return queries, sent


@every_answer
@pytest.mark.parametrize("size", [1, 2, 3, 7, 4096, 1_000_000])
def test_however_the_bytes_are_cut_the_result_is_the_same(name: str, size: int) -> None:
    data, expected = transcript(name)
    whole = converse(name, data, len(data), Permit(GRANT))
    assert converse(name, data, size, Permit(GRANT)) == whole
    assert whole[0] == expected


@every_answer
def test_the_three_answers_have_bytes_of_their_own(name: str) -> None:
    data, _ = transcript(name)
    answers = (Permit(GRANT), NoOpinion("no"), Unavailable("disk full"))
    assert len({converse(name, data, 4096, a)[1] for a in answers}) == 3


@every_answer
@given(chunks=st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_give_requests_or_more_or_a_wire_error(name: str, chunks: list[bytes]) -> None:
    talk = dialogue(name)
    try:
        for chunk in chunks:
            for query in talk.receive_data(chunk):
                assert isinstance(query, Query)
    except WireError:
        pass


@every_answer
@given(cut=st.integers(0, 2000), junk=st.binary(min_size=1, max_size=30))
def test_garbage_inside_a_real_conversation_is_documented_too(
    name: str, cut: int, junk: bytes
) -> None:
    data, _ = transcript(name)
    with suppress(WireError):
        converse(name, data[:cut] + junk + data[cut:], 50, NoOpinion("no"))


@every_answer
def test_a_request_without_an_end_is_refused_in_bounded_memory(name: str) -> None:
    talk, sent = dialogue(name), 0
    with pytest.raises(WireError):
        while True:
            talk.receive_data(b"x" * 4096)
            sent += 4096
            assert sent <= 2 * LONGEST_REQUEST


def request(name: str, key: bytes) -> bytes:
    """The question for a key, as each protocol writes it."""
    match name:
        case "postfix_policy":
            return b"request=smtpd_access_policy\nclient_address=" + key + b"\n\n"
        case "whoson":
            return b"QUERY " + key + b"\r\n\r\n"
        case "socketmap":
            text = b"poplock " + key
            return b"%d:%b," % (len(text), text)
        case "tcp_table":
            return b"get " + key + b"\n"
        case "line":
            return b"check " + key + b"\n"
        case "opensmtpd":
            begin = b"config|protocol|0.1\nconfig|tablename|poplock\nconfig|ready\n"
            return begin + b"table|0.1|1.0|poplock|check|netaddr|1|" + key + b"\n"
    labels = [*reversed(key.split(b".")), b"relay", b"example", b"org"]
    name_ = b"".join(bytes([len(label) & 255]) + label for label in labels) + b"\0"
    message = struct.pack("!6H", 1, 0x0100, 1, 0, 0, 0) + name_ + struct.pack("!2H", 1, 1)
    return struct.pack("!H", len(message) & 0xFFFF) + message


NOBODY = {
    "a host name": b"mail.example.org",
    "a name that begins as an address": b"203.0.113.9.example.org",
    "a group too many": b"203.0.113.9.9",
    "a group too large": b"203.0.113.999",
    "leading zeros": b"203.0.113.009",
    "hexadecimal": b"0xcb.0.113.9",
    "one number": b"3405803785",
    "a network": b"203.0.113.9/32",
    "a port": b"203.0.113.9:25",
    "half of IPv6": b"2001:db8:::1",
    "a zone": b"fe80::1%eth0",
    "empty": b"",
    "control characters": b"203.0.113.9\x00",
    "no ASCII": "203.0.113.\u0669".encode(),
    "64 kB": b"9" * 65_536,
    "64 kB behind an address": b"203.0.113.9" + b" " * 65_536,
}


@every_answer
@pytest.mark.parametrize("key", NOBODY.values(), ids=NOBODY)
def test_a_key_that_is_no_address_is_nobodys(name: str, key: bytes) -> None:
    """No protocol makes an address of it: the request is wrong, or nobody can have that grant."""
    (right,) = [*dialogue(name).receive_data(request(name, b"203.0.113.9"))]
    assert isinstance(right, Query)
    assert right.client == "203.0.113.9", "so the others are wrong for their key only"
    talk = dialogue(name)
    try:
        queries = [*talk.receive_data(request(name, key))]
    except WireError:
        return
    for query in queries:
        assert isinstance(query, Query)
        with pytest.raises(ValueError):
            parse_ip(query.client)
        talk.reply(query, NoOpinion("no"))


DATAGRAMS = {
    "whoson": [b"QUERY 203.0.113.9\r\n\r\n", b"QUERY 2001:db8::1", b"NOOP", b"QUERY x", b"QUIT"],
    "dns": [
        b"\x12\x34\1\0\0\1\0\0\0\0\0\0\0019\003113\0010\003203" + zone + b"\0\1\0\1"
        for zone in (b"\5relay\7example\3org\0", b"\5RELAY\7example\3org\0", b"\3org\0")
    ],
}
"""Real ones, of the answers that take datagrams."""


@pytest.mark.parametrize("name", DATAGRAMS)
@given(data=st.data())
def test_one_that_lasts_says_to_each_datagram_what_a_new_one_would(
    name: str, data: st.DataObject
) -> None:
    real = st.sampled_from(DATAGRAMS[name])
    cut = st.builds(lambda whole, size: whole[:size], real, st.integers(0, 40))
    outcomes = st.sampled_from([Permit(GRANT), NoOpinion("no"), Unavailable("disk full")])
    lasting = dialogue(name, datagram=True)
    assert lasting.lasts
    pairs = st.tuples(real | cut | st.binary(max_size=60), outcomes)
    for datagram, outcome in data.draw(st.lists(pairs, max_size=10)):
        said = said_to(lasting, datagram, outcome)
        assert said == said_to(dialogue(name, datagram=True), datagram, outcome)
        if lasting.closing or isinstance(said, str):
            lasting = dialogue(name, datagram=True)


def said_to(talk: Dialogue, datagram: bytes, outcome: Answer) -> tuple[object, ...] | str:
    """The questions in a datagram, what is said to it and why it was refused; or the error."""
    try:
        queries = list(talk.receive_data(datagram))
    except WireError as error:
        return str(error)
    for query in queries:
        talk.reply(query, outcome)
    refusals, talk.refusals = talk.refusals, None
    return queries, talk.data_to_send(), refusals
