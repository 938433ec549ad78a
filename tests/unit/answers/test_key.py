"""Decoration off, and nothing else changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poplock.answers.key import client
from poplock.core.addresses import parse_ip


@pytest.mark.parametrize(
    "key", [b"[192.0.2.7", b"192.0.2.7]", b"[]", b"", b"ipv6:", b"[ipv6:]", b"\xff"]
)
def test_half_a_decoration_is_none_and_makes_no_address(key: bytes) -> None:
    with pytest.raises(ValueError):
        parse_ip(client(key))


@given(ip=st.ip_addresses())
def test_every_spelling_of_an_address_is_that_address(ip: object) -> None:
    text = str(ip).encode()
    for key in (text, b"[%b]" % text, b"[IPv6:%b]" % text, b"ipv6:" + text, text.upper()):
        assert parse_ip(client(key)) == parse_ip(str(ip))
