"""The exact addresses that networks are published by, for readers that know no networks.

An IPv4 network of ours is one address. For IPv6 the address that logged in last stands for its
network, so when that changes the old key has to go.
"""

from ..core.addresses import Network
from ..core.grants import Grant


class ExactAddresses:
    """Which address stands for which network."""

    def __init__(self) -> None:
        self._last: dict[Network, str] = {}  # IPv4 tells it by itself

    def change(self, network: Network, grant: Grant | None) -> tuple[str | None, str | None]:
        """The key a network had until now, and the one it has with this grant.

        An IPv4 key may never have been there; whoever keeps the map knows.
        """
        if ":" not in network:
            key = network.removesuffix("/32")
            return key, None if grant is None else key
        old = self._last.pop(network, None)
        new = None if grant is None else grant.address
        if new is not None:
            self._last[network] = new
        return old, new

    def clear(self) -> None:
        self._last.clear()
