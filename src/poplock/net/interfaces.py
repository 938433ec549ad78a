"""The host's own addresses, from the kernel's tables in /proc/net."""

from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path

from ..core.addresses import NetworkSet


def own_addresses(proc: Path = Path("/proc/net")) -> NetworkSet:
    """Every address of every interface; what can't be read is left out."""
    addresses: set[IPv4Address | IPv6Address] = {*_ipv4(proc), *_ipv6(proc)}
    return NetworkSet(tuple(ip_network(a) for a in sorted(addresses, key=lambda a: a.packed)))


def _ipv4(proc: Path) -> set[IPv4Address]:
    """Local /32 entries of the routing trie: the line before `/32 host LOCAL` is the address."""
    found = set()
    address = ""
    for line in _lines(proc / "fib_trie"):
        words = line.split()
        if words[:1] == ["|--"]:
            address = words[1]
        elif words[:3] == ["/32", "host", "LOCAL"]:
            found.add(IPv4Address(address))
    return found


def _ipv6(proc: Path) -> set[IPv6Address]:
    """The first field of if_inet6 is the address in 32 hexadecimal digits."""
    return {IPv6Address(int(line[:32], 16)) for line in _lines(proc / "if_inet6")}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
