"""What is particular to the line protocol."""

import pytest

from poplock.answers.line import LineDialogue
from poplock.core.answers import NoOpinion, Outcome, Permit, Unavailable
from poplock.core.errors import WireError
from poplock.core.grants import Grant

GRANT = Grant("192.0.2.7/32", "ann", "log", "192.0.2.7", 0.0, 0.0, 1.0)  # type: ignore[arg-type]


def said(request: bytes, outcome: Outcome) -> bytes:
    talk = LineDialogue()
    (query,) = [*talk.receive_data(request), *talk.receive_data(b"")]
    assert talk.closing
    talk.reply(query, outcome)
    return talk.data_to_send()


@pytest.mark.parametrize(
    ("verb", "replies"),
    [(b"check", (b"yes", b"no", b"unavailable")), (b"user", (b"ann", b"", b"unavailable"))],
)
@pytest.mark.parametrize("end", [b"\n", b""])
def test_one_word_without_a_newline_whether_the_line_or_the_stream_ends(
    verb: bytes, replies: tuple[bytes, ...], end: bytes
) -> None:
    outcomes = (Permit(GRANT), NoOpinion("x"), Unavailable("x"))
    assert tuple(said(verb + b" 192.0.2.7" + end, o) for o in outcomes) == replies


def test_the_sender_may_hold_blanks_and_may_be_empty() -> None:
    for text, sender in ((b'"a b"@example.org', '"a b"@example.org'), (b"", "")):
        (query,) = LineDialogue(with_sender=True).receive_data(b"check 192.0.2.7 " + text + b"\n")
        assert (query.client, query.sender) == ("192.0.2.7", sender)


@pytest.mark.parametrize(
    "data",
    [
        *(b"192.0.2.7\n", b"CHECK 192.0.2.7\n", b"\n", b"check 192.0.2.7\ncheck 192.0.2.7\n"),
        *(b"check " + b"k" * 70_000, b"check " + b"k" * 2000 + b"\n", b"check 192.0.2.7 \xff\n"),
    ],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        LineDialogue(with_sender=True).receive_data(data)


def test_nothing_may_follow_the_request() -> None:
    talk = LineDialogue()
    talk.receive_data(b"check 192.0.2.7\n")
    assert talk.receive_data(b"") == []
    with pytest.raises(WireError):
        talk.receive_data(b"x")
