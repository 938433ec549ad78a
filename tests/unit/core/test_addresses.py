"""One spelling for each client."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poplock.core.addresses import (
    Network,
    NetworkSet,
    client_in,
    client_network,
    network_of,
    parse_ip,
)


@given(st.text(max_size=50) | st.ip_addresses().map(str))
def test_addresses_are_read_as_the_standard_library_reads_them(text: str) -> None:
    try:
        expected = ip_address(text)
    except ValueError:
        with pytest.raises(ValueError):
            parse_ip(text)
        return
    mapped = getattr(expected, "ipv4_mapped", None)
    assert parse_ip(text) == (mapped or expected)


networks = st.builds(
    lambda ip, length: ip_network((ip, length % (ip.max_prefixlen + 1)), strict=False),
    st.ip_addresses(),
    st.integers(0, 128),
)


@given(st.lists(networks, max_size=8), st.ip_addresses())
def test_a_set_of_networks_finds_what_looking_at_each_would(found, ip) -> None:  # type: ignore[no-untyped-def]
    expected = next((n for n in found if ip.version == n.version and ip in n), None)
    assert NetworkSet(tuple(found)).find(ip) == expected


@given(st.lists(networks, min_size=1, max_size=8), st.data())
def test_the_edges_of_a_network_are_in_it(found, data) -> None:  # type: ignore[no-untyped-def]
    network = data.draw(st.sampled_from(found))
    for ip in (network.network_address, network.broadcast_address):
        assert NetworkSet(tuple(found)).find(ip) is not None


@given(st.ip_addresses(), st.integers(16, 128))
def test_a_network_and_its_client_give_the_address_back(ip, prefix: int) -> None:  # type: ignore[no-untyped-def]
    network = network_of(ip, prefix)
    assert (client_in(network, str(ip)) or network.partition("/")[0]) == str(ip)
    assert client_in(Network("203.0.113.9/32"), "203.0.113.9") is None


_digits = st.text("0123456789.", max_size=20) | st.from_regex(r"[0-9]{1,4}(\.[0-9]{1,4}){3}")


@given(_digits | st.text(max_size=50) | st.ip_addresses().map(str), st.integers(16, 128))
def test_a_client_s_network_is_that_of_its_address(text: str, prefix: int) -> None:
    try:
        expected = network_of(parse_ip(text), prefix)
    except ValueError:
        with pytest.raises(ValueError):
            client_network(text, prefix)
    else:
        assert client_network(text, prefix) == expected
