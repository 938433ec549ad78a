"""What is particular to Postfix's policy protocol."""

import pytest

from poplock.answers.postfix_policy import PostfixPolicyDialogue
from poplock.core.addresses import Network
from poplock.core.answers import NoOpinion, Permit, Unavailable
from poplock.core.errors import WireError
from poplock.core.grants import Grant

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


def test_a_request_for_the_header_names_the_user_and_never_lets_relay() -> None:
    header = REQUEST.replace(b"sender=\n", b"sender=\npolicy_context=prepend\n")
    permit = Permit(Grant(Network("203.0.113.9/32"), "ann\r\nX: y", "log", "x", 0.0, 0.0, 9.0))
    dialogue = PostfixPolicyDialogue(prepend="X-User")
    for outcome, action in (
        (permit, b"PREPEND X-User: ann??X:?y"),
        (NoOpinion("no grant"), b"DUNNO"),
        (Unavailable("no store"), b"DUNNO"),
    ):
        asked, relays = dialogue.receive_data(header + REQUEST)
        dialogue.reply(asked, outcome)
        assert dialogue.data_to_send() == b"action=%b\n\n" % action
        dialogue.reply(relays, permit)
        assert dialogue.data_to_send() == b"action=OK\n\n"
    plain = PostfixPolicyDialogue()
    (asked,) = plain.receive_data(header)
    plain.reply(asked, NoOpinion("no grant"))
    assert plain.data_to_send() == b"action=DUNNO\n\n"
