"""Client addresses and the networks that hold grants.

Addresses are spelt in many ways (``::ffff:192.0.2.7``, ``2001:DB8::1``, zone ids); they are made
one here and nowhere else, so that a login and a later relay attempt meet under the same key.
"""

from bisect import bisect_right
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from socket import AF_INET, inet_ntoa, inet_pton
from typing import NewType

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

Network = NewType("Network", str)
"""A client network in canonical text, ``203.0.113.9/32`` or ``2001:db8:1:2::/64``.

Text and not ``ipaddress`` objects: a hundred thousand of those take 50 MiB, and every consumer
(store, JSON, command line) wants the text.
"""

LONGEST_ADDRESS = 45  # INET6_ADDRSTRLEN less its NUL: nothing longer can be an address


def parse_ip(text: str) -> IPAddress:
    """Read an address literal; an IPv4-mapped one becomes IPv4.

    Raises ValueError for anything else: names, zone ids (a link-local address means nothing on
    another host), brackets, leading zeros.
    """
    if len(text) > LONGEST_ADDRESS:
        raise ValueError(f"{text[:LONGEST_ADDRESS]!r}… is too long for an address")
    try:
        return IPv4Address(inet_pton(AF_INET, text))  # as strict as ip_address, in a quarter
    except (OSError, ValueError):
        ip = ip_address(text)
    if isinstance(ip, IPv6Address):
        if ip.scope_id is not None:
            raise ValueError(f"{text!r} has a zone id")
        return ip.ipv4_mapped or ip
    return ip


def is_ipv4(text: str) -> bool:
    """Whether `parse_ip` would read an IPv4 address here; in a sixth of the time."""
    try:
        inet_pton(AF_INET, text)
    except (OSError, ValueError):
        return False
    return True


def ip_from_bytes(packed: bytes) -> IPAddress:
    """The address in 4 or 16 bytes, network order; an IPv4-mapped one becomes IPv4."""
    if len(packed) == 4:
        return IPv4Address(packed)
    ip = IPv6Address(packed)
    return ip.ipv4_mapped or ip


def network_of(ip: IPAddress, ipv6_prefix: int) -> Network:
    """The network that a login from `ip` opens: IPv4 alone, IPv6 widened to `ipv6_prefix` bits.

    IPv6 hosts change their interface identifier within a site's prefix (RFC 8981), so the
    address of the SMTP connection is rarely that of the login.
    """
    if isinstance(ip, IPv4Address):
        return Network(f"{inet_ntoa(int(ip).to_bytes(4))}/32")
    host_bits = 128 - ipv6_prefix
    return Network(f"{IPv6Address(int(ip) >> host_bits << host_bits)}/{ipv6_prefix}")


def client_network(text: str, ipv6_prefix: int) -> Network:
    """The network of a client as an MTA or an operator spells it; ValueError as in `parse_ip`."""
    if is_ipv4(text):  # there is one spelling of each
        return Network(f"{text}/32")
    return network_of(parse_ip(text), ipv6_prefix)


def client_in(network: Network, address: str) -> str | None:
    """The client's address where the network's own text doesn't tell it.

    It does for IPv4, and not keeping it twice saves 6 MiB in a hundred thousand grants.
    """
    return None if network.partition("/")[0] == address else address


def parse_network(text: str, ipv6_prefix: int) -> Network:
    """What an operator types: an address (widened as a login's is) or a network as stored."""
    if "/" not in text:
        return client_network(text, ipv6_prefix)
    return Network(str(ip_network(text, strict=True)))


class NetworkSet:
    """Networks with a quick answer to "is this address in one of them?"."""

    def __init__(self, networks: tuple[IPNetwork, ...] = ()) -> None:
        self.networks = networks
        self._edges = {IPv4Address: _edges(networks, 4), IPv6Address: _edges(networks, 6)}

    def __contains__(self, ip: IPAddress) -> bool:
        return bisect_right(self._edges[type(ip)], int(ip)) % 2 == 1

    def find(self, ip: IPAddress) -> IPNetwork | None:
        """The first network that holds `ip`."""
        return next(n for n in self.networks if ip in n) if ip in self else None


def _edges(networks: tuple[IPNetwork, ...], version: int) -> list[int]:
    """Where one gets into the networks and out of them again, in turn, going up."""
    edges: list[int] = []
    for network in sorted(n for n in networks if n.version == version):
        low, high = int(network.network_address), int(network.broadcast_address)
        if not edges or low > edges[-1]:
            edges += [low, high + 1]
        else:
            edges[-1] = max(edges[-1], high + 1)
    return edges
