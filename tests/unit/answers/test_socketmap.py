"""What is particular to socketmap."""

import pytest

from poplock.answers.socketmap import LONGEST_REQUEST, SocketmapDialogue
from poplock.core.answers import NoOpinion, Unavailable
from poplock.core.errors import WireError
from poplock.wire.netstring import encode


def dialogue() -> SocketmapDialogue:
    return SocketmapDialogue(frozenset({b"poplock", b"second"}))


def asked(key: bytes) -> str:
    (query,) = dialogue().receive_data(encode(b"poplock " + key))
    return query.client


@pytest.mark.parametrize(
    ("key", "client"),
    [
        (b"192.0.2.7", "192.0.2.7"),
        (b"2001:db8::1:2", "2001:db8::1:2"),
        (b"ipv6:2001:db8:0:0:0:0:1:2", "2001:db8:0:0:0:0:1:2"),
        (b"IPv6:2001:db8:0:0:0:0:1:2", "2001:db8:0:0:0:0:1:2"),
        (b"[2001:db8::1:2]", "2001:db8::1:2"),
        (b"::ffff:192.0.2.7", "::ffff:192.0.2.7"),
    ],
)
def test_each_mtas_spelling_is_freed_from_its_decoration(key: bytes, client: str) -> None:
    assert asked(key) == client


def test_each_of_its_maps_is_asked_and_another_is_an_error_in_its_place() -> None:
    talk = dialogue()
    names = (b"poplock", b"other", b"second", b"POPLOCK")
    for query in talk.receive_data(b"".join(encode(n + b" 192.0.2.7") for n in names)):
        talk.reply(query, NoOpinion("no"))
    found, sent = [], talk.data_to_send()
    while sent:
        length, _, rest = sent.partition(b":")
        found.append(rest[: int(length)].partition(b" ")[0])
        sent = rest[int(length) + 1 :]
    assert found == [b"NOTFOUND", b"PERM", b"NOTFOUND", b"PERM"]


def test_trouble_is_temporary_and_not_found_ends_in_a_blank() -> None:
    talk = dialogue()
    for outcome, start in ((Unavailable("x"), b"TEMP "), (NoOpinion("x"), b"NOTFOUND ")):
        (query,) = talk.receive_data(encode(b"poplock 192.0.2.7"))
        talk.reply(query, outcome)
        assert talk.data_to_send().partition(b":")[2].startswith(start)


@pytest.mark.parametrize(
    "data", [encode(b"poplock"), encode(b""), b"007:", b"x", b"%d:" % (LONGEST_REQUEST + 1)]
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        dialogue().receive_data(data)


def test_the_longest_key_is_read_and_is_nobodys_address() -> None:
    assert asked(b"k" * (LONGEST_REQUEST - 8)) == "k" * (LONGEST_REQUEST - 8)
    assert asked(b"\xff") == ""
