"""One small file for each address, named by it: what Exim's `dsearch` looks for.

The name is the address as Exim has it in `$sender_host_address`, IPv6 compressed and in lower case
(for IPv6 the one that logged in); the file holds the user's name. Nothing here says when a grant
ends, so the files are taken away at their ends, and by `poplock maps sweep` when the lease is over.
"""

from collections.abc import Iterable

from ..config.maps import AddressesSettings
from ..core.addresses import Network
from ..core.clock import Clock
from ..core.grants import Grant
from .directory import FolderMap
from .keys import ExactAddresses


class AddressesMap(FolderMap):
    """The folder and what still has to be written into it."""

    def __init__(self, settings: AddressesSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._addresses = ExactAddresses()

    def _begin_anew(self) -> None:
        self._addresses.clear()

    def _change(self, network: Network, grant: Grant | None) -> Iterable[tuple[str, bytes | None]]:
        old, new = self._addresses.change(network, grant)
        if old is not None and old != new:
            yield old, None
        if new is not None and grant is not None:
            user = "".join(c for c in grant.user if c.isprintable())
            yield new, user.encode() + b"\n"
