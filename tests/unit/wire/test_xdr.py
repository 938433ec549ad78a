"""XDR and record marks: nothing is read that isn't there, nothing collected beyond its limit."""

import pytest

from poplock.core.errors import WireError
from poplock.wire.xdr import Reader, Records, marked, string, words


def test_numbers_and_texts_are_written_in_whole_words() -> None:
    assert words(1, 0xFFFFFFFF) == b"\0\0\0\1\xff\xff\xff\xff"
    assert string("udp") == b"\0\0\0\3udp\0"
    assert string("tcp6") == b"\0\0\0\4tcp6"
    assert string("") == bytes(4)


def test_reading_takes_what_is_there_and_no_more() -> None:
    reader = Reader(words(7) + b"abc\0" + b"rest")
    assert reader.word() == 7
    reader.skip(3)
    assert reader.rest() == b"rest"
    with pytest.raises(WireError, match="ends within a field"):
        reader.skip(5)
    assert reader.rest() == b"rest"
    with pytest.raises(WireError):
        Reader(b"abc").word()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_records_come_out_the_same_however_they_are_cut(size: int) -> None:
    fragments = words(3) + b"one" + words(0x8000_0002) + b"++"
    data = marked(b"first") + fragments + marked(b"") + marked(b"last")
    records = Records(10)
    found = [r for i in range(0, len(data), size) for r in records.feed(data[i : i + size])]
    assert found == [b"first", b"one++", b"", b"last"]


def test_a_record_may_be_as_long_as_the_limit_and_no_longer() -> None:
    assert list(Records(5).feed(marked(b"12345"))) == [b"12345"]
    got = []
    with pytest.raises(WireError, match="more than 5"):
        for record in Records(5).feed(marked(b"12345") + words(3) + b"123" + words(3)):
            got.append(record)
    assert got == [b"12345"]


def test_a_stream_of_empty_fragments_is_refused() -> None:
    with pytest.raises(WireError, match="empty fragment"):
        list(Records(5).feed(words(0)))
