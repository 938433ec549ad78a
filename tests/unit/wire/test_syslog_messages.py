"""Syslog messages as real senders write them, near misses, and frames however they are cut."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poplock.core.errors import WireError
from poplock.wire.syslog import LONGEST, Frames, Message, read_message

TEXT = b"imap-login: Login: user=<ann>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1, TLS"
CHUNKS = (1, 2, 3, 7, 4096)


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"<22>Nov 24 10:00:00 mx dovecot: ", (None, b"mx", b"dovecot", b"")),
        (b"<22>Nov  4 10:00:00 mx.example imapd[1]: ", (None, b"mx.example", b"imapd", b"1")),
        (b"Nov 24 10:00:00 mx dovecot: ", (None, b"mx", b"dovecot", b"")),
        (b"<22>Nov 24 10:00:00 dovecot: ", (None, b"", b"dovecot", b"")),
        (b"<22>Nov 24 10:00:00 popa3d[7]: ", (None, b"", b"popa3d", b"7")),
        (b"<0>Nov 24 10:00:00 fd00::5 cyrus/imap[9]: ", (None, b"fd00::5", b"cyrus/imap", b"9")),
        (b"<191>Nov 24 10:00:00 192.0.2.1 a.pop3[9]: ", (None, b"192.0.2.1", b"a.pop3", b"9")),
        (
            b"<22>2026-11-24T10:00:00.25+01:00 mx imapd-ssl[1]: ",
            (at("2026-11-24T09:00:00.25+00:00"), b"mx", b"imapd-ssl", b"1"),
        ),
        (
            b"<22>2026-11-24T10:00:00Z dovecot: ",
            (at("2026-11-24T10:00:00+00:00"), b"", b"dovecot", b""),
        ),
        (
            b"<22>1 2026-11-24T10:00:00.123456-05:30 mx dovecot 77 ID9 - ",
            (at("2026-11-24T15:30:00.123456+00:00"), b"mx", b"dovecot", b"77"),
        ),
        (b"<22>1 - - dovecot - - - ", (None, b"", b"dovecot", b"")),
        (b"<22>1 - mx dovecot imap-login - - ", (None, b"mx", b"dovecot", b"")),
        (b'<22>1 - mx dovecot 7 - [a@1 b="c"][d] ', (None, b"mx", b"dovecot", b"7")),
        (rb'<22>1 - mx dovecot 7 - [a b="\"\\\] [x" c=""] ', (None, b"mx", b"dovecot", b"7")),
        (b"<22>1 - mx dovecot 7 - - \xef\xbb\xbf", (None, b"mx", b"dovecot", b"7")),
        (b"<22>1 - mx dovecot 7 - -  ", (None, b"mx", b"dovecot", b"7")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\0", b"\n\0"])
def test_what_senders_write(
    head: bytes, expected: tuple[float | None, bytes, bytes, bytes], end: bytes
) -> None:
    assert read_message(head + TEXT + end) == Message(*expected, TEXT)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"<192>Nov 24 10:00:00 mx dovecot: ",  # 191 is the highest priority
        b"<022>Nov 24 10:00:00 mx dovecot: ",
        b"<>Nov 24 10:00:00 mx dovecot: ",
        b"<22> Nov 24 10:00:00 mx dovecot: ",
        b"<22>dovecot: ",
        b"<22>mx dovecot: ",
        b"<22>24 Nov 10:00:00 mx dovecot: ",
        b"<22>Nov 24 10:00:00 mx  dovecot: ",
        b"<22>Nov 24 10:00:00 mx dovecot ",
        b"<22>Nov 24 10:00:00 mx dovecot:",
        b"<22>Nov 24 10:00:00 mx other dovecot: ",
        b"<22>Nov 24 10:00:00 mx dovecot[x]: ",
        b"<22>2026-02-30T10:00:00Z mx dovecot: ",
        b"<22>2026-11-24 10:00:00 mx dovecot: ",
        b"<22>2 - mx dovecot 7 - - ",  # no version 2 is known
        b"1 - mx dovecot 7 - - ",
        b"<22>1 Nov 24 10:00:00 mx dovecot 7 - - ",
        b"<22>1 2026-11-24T10:00:00.1234567Z mx dovecot 7 - - ",
        b"<22>1 - mx dovecot 7 - [a b=c] ",
        b'<22>1 - mx dovecot 7 - [a b="]"] ',  # a bracket in a value must be escaped
        b'<22>1 - mx dovecot 7 - [a b="c"]x ',
        b"<22>1 - mx dovecot 7 - ",
        b"<22>1 - " + 256 * b"h" + b" dovecot 7 - - ",
        b"<22>1 - mx dovecot[7]: 7 - - ",
        b"<22>1 - mx " + 49 * b"a" + b" 7 - - ",
    ],
)
def test_what_is_read_otherwise_is_no_programs_text(head: bytes) -> None:
    message = read_message(head + TEXT)
    assert message.tag != b"dovecot"
    assert message.time is None


def test_the_text_of_a_message_cannot_say_who_wrote_it() -> None:
    forged = b"<22>Nov 24 10:00:00 mx dovecot: " + TEXT
    for head in (b"<22>Nov 24 10:00:00 mx sshd[1]: ", b"<22>1 - mx sshd 1 - - "):
        for between in (b"", b"\n", b"\0", b"\r\n", b"\n\0"):
            assert read_message(head + between + forged).tag == b"sshd"


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"<22>", b"<22>1 - ", b"<22>Nov 24 10:00:00 "])
)
def test_any_bytes_are_a_message(data: bytes, head: bytes) -> None:
    message = read_message(head + data)
    assert b" " not in message.tag + message.host + message.pid
    assert len(message.text) <= len(head + data)


def test_structured_data_without_an_end_is_given_up_at_once() -> None:
    """Each way of reading it would otherwise be tried: a minute for 60 bytes."""
    for value in (rb"\\" * 20_000, b'a b="c" ' * 8000, b"[a]" * 20_000, rb"\"" * 30_000):
        for head in (b'<22>1 - mx dovecot 7 - [a b="', b"<22>1 - mx dovecot 7 - "):
            assert read_message(head + value + b"[").tag == b""


@pytest.mark.parametrize("size", CHUNKS)
def test_frames_are_the_same_however_they_are_cut(size: int) -> None:
    whole = [
        b"<22>Nov 24 10:00:00 mx dovecot: one",
        b"<22>Nov 24 10:00:00 mx dovecot: t\nwo",
        b"Nov 24 10:00:00 mx dovecot: three\r",
        b"\n\n\n",
        b"<22>Nov 24 10:00:00 mx dovecot: f\0our",
        65_536 * b"x",
        b"<5>last",
    ]
    stream = (
        whole[0] + b"\n" + b"36 " + whole[1] + b"\n\n" + whole[2] + b"\n3 " + whole[3]
        + whole[4] + b"\n65536 " + whole[5] + whole[6] + b"\n"
    )  # fmt: skip
    frames = Frames()
    assert frames.feed(stream) == whole
    assert frames.pending == 0
    frames = Frames()
    cut = [m for i in range(0, len(stream), size) for m in frames.feed(stream[i : i + size])]
    assert cut == whole


@pytest.mark.parametrize("size", CHUNKS)
@pytest.mark.parametrize(
    "stream",
    [
        b"012 <22>",
        b"0 ",
        b"12x<22>",
        b"123456 x",
        b"65537 x",
        b"5\n<22>",
        b"x" * (LONGEST + 2),
        b"<22>" + b"x" * LONGEST + b"\n",
    ],
)
def test_wrong_frames_are_refused_however_they_are_cut(stream: bytes, size: int) -> None:
    frames = Frames()
    with pytest.raises(WireError):
        for i in range(0, len(stream), size):
            frames.feed(stream[i : i + size])
    assert frames.pending <= LONGEST + 1 + size


def test_a_message_that_is_not_whole_is_none() -> None:
    for part in (b"<22>Nov 24 10:00:00 mx dovecot: one", b"10 <22>", b"1", b"65536"):
        frames = Frames()
        assert frames.feed(part) == []
        assert frames.pending == len(part)


def test_over_tls_only_counted_frames_are_messages() -> None:
    frames = Frames(counted_only=True)
    assert frames.feed(b"3 abc1 d") == [b"abc", b"d"]
    with pytest.raises(WireError):
        frames.feed(b"<22>x\n")
    with pytest.raises(WireError):
        Frames(counted_only=True).feed(b"3 abc\n3 abc")


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.booleans()), max_size=20),
    st.lists(st.integers(1, 30), min_size=1),
)
def test_what_was_framed_comes_out(texts: list[tuple[bytes, bool]], sizes: list[int]) -> None:
    expected, stream = [], b""
    for text, counted in texts:
        if counted:
            stream += b"%d %b" % (len(text), text)
        else:
            text = b"<" + text.replace(b"\n", b" ")
            stream += text + b"\n"
        expected.append(text)
    frames, got, turn = Frames(), [], 0
    while stream:
        size = sizes[turn % len(sizes)]
        got += frames.feed(stream[:size])
        stream, turn = stream[size:], turn + 1
    assert got == expected
