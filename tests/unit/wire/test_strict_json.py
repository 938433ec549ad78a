"""Strict JSON: what one reader takes this way and another that way is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poplock.core.errors import WireError
from poplock.wire.strict_json import read_json, read_object


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"ip": "203.0.113.9", "ip": "203.0.113.8"}', "'ip' stands twice"),
        (b'{"a": {"b": 1, "b": 1}}', "'b' stands twice"),
        (b'[NaN, {"x": -Infinity}]', "NaN is no JSON number"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8 at byte 0"),
        (b"\xef\xbb\xbf{}", "not JSON at character 0"),
        (b"[" * 100_000, "nested too deep"),
        (b"1" * 5000, "not JSON of ours"),
        (b'{"a": 1} x', "not JSON at character 9"),
        (b"", "not JSON at character 0"),
    ],
)
def test_refuses_what_two_readers_could_take_differently(text: bytes, why: str) -> None:
    with pytest.raises(WireError, match=why):
        read_json(text)


def test_an_object_is_wanted_and_nothing_else_is_one() -> None:
    assert read_object(b'{"a": [1, true, null]}') == {"a": [1, True, None]}
    with pytest.raises(WireError, match="not a JSON object: list"):
        read_object(b"[]")


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_a_wire_error(data: bytes) -> None:
    try:
        read_json(data)
    except WireError:
        return


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(values)
def test_what_is_right_comes_through(value: object) -> None:
    assert read_json(json.dumps(value).encode()) == value
