"""Netstrings: strict, and bounded before anything is collected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poplock.core.errors import WireError
from poplock.wire.netstring import encode, read


@given(payloads=st.lists(st.binary(max_size=300), max_size=5))
def test_what_is_encoded_is_read_back(payloads: list[bytes]) -> None:
    data, start, found = b"".join(map(encode, payloads)), 0, []
    while place := read(data, start, 300):
        found.append(data[place[0] : place[1]])
        start = place[1] + 1
    assert (found, start) == (payloads, len(data))


@given(payload=st.binary(max_size=300), cut=st.integers(0, 400))
def test_a_part_of_one_is_not_whole(payload: bytes, cut: int) -> None:
    data = encode(payload)
    assert read(data[: min(cut, len(data) - 1)], 0, 300) is None


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"01:a,",
            b"00:,",
            b"+1:a,",
            b"-1:a,",
            b" 1:a,",
            b"1 :a,",
            b"1_0:a",
            b"0x1:a,",
            b":,",
            b"a",
        ),
        *(b"1:a;", b"1:ab,", b"301:", b"999999999:", b"9999999999", b"1" * 100, b"\xb2:ab,"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        read(data, 0, 300)
