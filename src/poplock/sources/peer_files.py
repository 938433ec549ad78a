"""Files that say who may tell: `dracd.allow`, as rpc.dracd reads it, and RADIUS clients' secrets.

A line that isn't right is a ConfigError with file and line: to pass over it could shut a server
out, or let a network in that nobody meant.
"""

import stat
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network, ip_network
from pathlib import Path
from typing import TypeVar

from ..core.addresses import IPAddress, IPNetwork
from ..core.errors import ConfigError

_LARGEST = 1_000_000  # bytes of such a file
_Line = TypeVar("_Line")


def read_allow(path: Path) -> tuple[IPv4Network, ...]:
    """The networks of a `dracd.allow`: lines of a netmask and an address, `#` comments."""
    return tuple(_lines(path, _read(path), _allowed))


def _allowed(line: str) -> IPv4Network:
    words = line.split()
    if len(words) != 2:
        raise ValueError("write a netmask and an address, as 255.255.255.0 192.0.2.0")
    mask, address = words
    bits = int(IPv4Address(mask))
    prefix = bits.bit_count()
    if bits != (0xFFFF_FFFF << 32 - prefix) & 0xFFFF_FFFF:
        raise ValueError(f"{mask} is no netmask: its ones don't stand together")
    return IPv4Network((address, prefix))  # ValueError where bits of a host are set


class Clients:
    """RADIUS clients and their secrets; of two networks that hold one, the smaller counts."""

    def __init__(self, secrets: dict[IPNetwork, bytes]) -> None:
        self._secrets = sorted(secrets.items(), key=lambda item: -item[0].prefixlen)

    def secret(self, client: IPAddress) -> bytes | None:
        """The secret shared with `client`; None: it is none of ours."""
        return next((secret for network, secret in self._secrets if client in network), None)


def read_clients(path: Path) -> Clients:
    """The clients in a file of lines of a network and a secret, `#` comments."""
    text = _read(path)
    if path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        raise ConfigError(f"{path}: everybody may read the secrets in it; chmod o= {path}")
    secrets: dict[IPNetwork, bytes] = {}
    for network, secret in _lines(path, text, _client):
        if network in secrets:
            raise ConfigError(f"{path}: {network} has two secrets")
        secrets[network] = secret
    if not secrets:
        raise ConfigError(f"{path}: no client; write a network and its secret on each line")
    return Clients(secrets)


def _client(line: str) -> tuple[IPNetwork, bytes]:
    network, *secret = line.split(None, 1)
    if not secret:
        raise ValueError("write a network and the secret shared with it")
    return ip_network(network), secret[0].encode()


def _lines(path: Path, text: str, read: Callable[[str], _Line]) -> Iterator[_Line]:
    """What `read` makes of each line that isn't empty or a comment."""
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if line and not line.startswith("#"):
            try:
                yield read(line)
            except ValueError as error:
                raise ConfigError(f"{path}:{number}: {error}") from None


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST).decode()
    except OSError as error:
        raise ConfigError(f"{path}: cannot read it: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8") from None
