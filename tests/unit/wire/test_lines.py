"""Blocks of whole lines, however the stream is cut."""

from hypothesis import given
from hypothesis import strategies as st

from poplock.wire.lines import LONGEST, LineCutter


@given(st.binary(max_size=300).map(lambda b: b.replace(b"\x01", b"\n")), st.integers(1, 50))
def test_however_the_stream_is_cut_the_lines_are_the_same(data: bytes, size: int) -> None:
    cutter = LineCutter()
    got = b"".join(cutter.feed(data[i : i + size]) for i in range(0, len(data), size))
    whole = data.rfind(b"\n") + 1
    assert got == data[:whole]
    assert cutter.pending == len(data) - whole


@given(
    st.lists(st.sampled_from([10, LONGEST - 1, LONGEST, LONGEST + 1, 3 * LONGEST]), max_size=5),
    st.sampled_from([1000, 4096, 65_536, 10**7]),
)
def test_a_line_that_is_too_long_is_thrown_away_and_counted(sizes: list[int], size: int) -> None:
    data = b"".join(b"x" * (n - 1) + b"\n" for n in sizes)
    cutter = LineCutter()
    got = b"".join(cutter.feed(data[i : i + size]) for i in range(0, len(data), size))
    assert sorted(len(line) + 1 for line in got.split(b"\n")[:-1]) == sorted(
        n for n in sizes if n <= LONGEST
    )
    assert cutter.skipped == sum(n > LONGEST for n in sizes)


def test_a_line_without_an_end_stays_bounded() -> None:
    cutter = LineCutter()
    for _ in range(1000):
        assert cutter.feed(b"x" * 10_000) == b""
    assert len(cutter._tail) < LONGEST
    assert cutter.feed(b"\nnext\n") == b"next\n"
    assert cutter.skipped == 1
