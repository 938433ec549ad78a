"""What is particular to OpenSMTPD's tables: every line that smtpd may say has its reply."""

import pytest

from poplock.answers.opensmtpd import LONGEST_LINE, OpenSmtpdDialogue
from poplock.core.answers import NoOpinion, Unavailable
from poplock.core.errors import WireError

TABLE = b"table|0.1|1.5|poplock|"


def said(line: bytes) -> bytes:
    talk = OpenSmtpdDialogue()
    assert talk.receive_data(line + b"\n") == []
    return talk.data_to_send()


def test_it_registers_for_addresses_once_smtpd_is_ready() -> None:
    assert said(b"config|smtpd-version|7.6.0") == b""
    assert said(b"config|ready") == b"register|netaddr\nregister|ready\n"


@pytest.mark.parametrize("key", [b"2001:db8::1:2", b"[2001:db8::1:2]", b"IPv6:2001:db8::1:2"])
def test_a_check_names_the_client_in_any_spelling(key: bytes) -> None:
    talk = OpenSmtpdDialogue()
    (query,) = talk.receive_data(TABLE + b"check|netaddr|7f|" + key + b"\n")
    assert query.client == "2001:db8::1:2"
    talk.reply(query, NoOpinion("x"))
    assert talk.data_to_send() == b"check-result|7f|not-found\n"


def test_trouble_is_an_error_and_no_end() -> None:
    talk = OpenSmtpdDialogue()
    (query,) = talk.receive_data(TABLE + b"check|netaddr|7f|192.0.2.7\n")
    talk.reply(query, Unavailable("x"))
    assert talk.data_to_send().startswith(b"check-result|7f|error|")


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"update|7f", b"update-result|7f|ok\n"),
        (b"check|domain|7f|example.org", b"check-result|7f|error|"),
        (b"lookup|userinfo|7f|ann", b"lookup-result|7f|error|"),
        (b"fetch|source|7f", b"fetch-result|7f|error|"),
    ],
)
def test_what_was_not_registered_is_answered_all_the_same(line: bytes, reply: bytes) -> None:
    assert said(TABLE + line).startswith(reply)


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"x", b"config|protocol|0.2", b"table|0.2|1|poplock|update|7f", TABLE + b"update|"),
        *(TABLE + b"dump|7f", TABLE + b"check|netaddr||192.0.2.7", b"x" * (LONGEST_LINE + 1)),
    ],
)
def test_what_is_no_line_of_the_protocol_is_refused(line: bytes) -> None:
    with pytest.raises(WireError):
        OpenSmtpdDialogue().receive_data(line + b"\n")
