"""What is particular to Postfix's tcp_table."""

import pytest

from poplock.answers.tcp_table import LONGEST_REQUEST, TcpTableDialogue
from poplock.core.errors import WireError


@pytest.mark.parametrize(
    ("line", "client"),
    [
        (b"get 192.0.2.7\n", "192.0.2.7"),
        (b"get 2001:db8::1:2\n", "2001:db8::1:2"),
        (b"get 192.0.2%2E7\n", "192.0.2.7"),
        (b"get mail.example.org\n", "mail.example.org"),
        (b"get a%20b%25%0a\n", "a b%\n"),
        (b"get \n", ""),
    ],
)
def test_keys_are_read_with_their_escapes(line: bytes, client: str) -> None:
    (query,) = TcpTableDialogue().receive_data(line)
    assert query.client == client


@pytest.mark.parametrize(
    "data",
    [
        *(b"put 192.0.2.7 x\n", b"GET 192.0.2.7\n", b"get\n", b"get a b\n", b"get %\n", b"\n"),
        *(b"get %2\n", b"get %zz\n", b"get " + b"k" * 70_000, b"get " + b"k" * 5000 + b"\n"),
    ],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        TcpTableDialogue().receive_data(data)


def test_the_longest_request_is_read() -> None:
    (query,) = TcpTableDialogue().receive_data(b"get " + b"k" * (LONGEST_REQUEST - 4) + b"\n")
    assert len(query.client) == LONGEST_REQUEST - 4
