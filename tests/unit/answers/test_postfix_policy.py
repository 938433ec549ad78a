"""What is particular to Postfix's policy protocol."""

import pytest

from poplock.answers.postfix_policy import PostfixPolicyDialogue
from poplock.core.errors import WireError

REQUEST = b"request=smtpd_access_policy\nclient_address=203.0.113.9\nsender=\n\n"


@pytest.mark.parametrize(
    ("request_bytes", "why"),
    [
        (b"request=smtpd_access_policy\n\n", "without client_address"),
        (b"client_address=203.0.113.9\n\n", "not an smtpd_access_policy"),
        (b"request=junk\nclient_address=203.0.113.9\n\n", "not an smtpd_access_policy"),
        (REQUEST[:-1] + b"client_address=198.51.100.1\n\n", "two values"),
        (b"client_address=198.51.100.1\n" + REQUEST, "two values"),
        (b"request=smtpd_access_policy\nclient_address=\xff\n\n", "UTF-8"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"x" * 70_000, "more than"),
        (b"\n\n", "not an smtpd_access_policy"),
    ],
)
def test_requests_that_two_readers_could_read_differently_are_refused(
    request_bytes: bytes, why: str
) -> None:
    with pytest.raises(WireError, match=why):
        PostfixPolicyDialogue(with_sender=True).receive_data(request_bytes)


def test_a_value_that_looks_like_an_attribute_is_a_value() -> None:
    (query,) = PostfixPolicyDialogue(with_sender=True).receive_data(
        b"helo_name=client_address=198.51.100.1\n" + REQUEST
    )
    assert query.client == "203.0.113.9"


def test_pipelined_requests_are_answered_in_order() -> None:
    other = REQUEST.replace(b"203.0.113.9", b"203.0.113.10")
    queries = PostfixPolicyDialogue(with_sender=True).receive_data(REQUEST + other + REQUEST[:20])
    assert [q.client for q in queries] == ["203.0.113.9", "203.0.113.10"]
