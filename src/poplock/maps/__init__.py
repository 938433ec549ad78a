"""Files that MTAs read by themselves. One format a file.

A map's `update` is called in the event loop and must be quick; everything else may block and runs
in one other thread, `replace_all` never at the same time as `update`.
"""

from collections.abc import Iterable
from importlib import import_module
from typing import Protocol, cast

from ..config.maps import MapSettings
from ..core.addresses import Network
from ..core.clock import Clock
from ..core.grants import Grant
from .lease import Lease

MAPS = {
    "cdb": "cdb:CdbMap",
    "directory": "directory:DirectoryMap",
    "addresses": "addresses:AddressesMap",
    "address_cdb": "address_cdb:AddressCdbMap",
    "postfix_lmdb": "postfix_lmdb:PostfixLmdbMap",
    "sqlite": "sqlite:SqliteMap",
    "text": "text:TextMap",
}


class Map(Protocol):
    """One published map. Every method but `update` raises MapError."""

    def replace_all(self, grants: Iterable[Grant]) -> None:
        """Hold exactly these, one a network, and read again what an operator has written."""

    def update(self, changed: Iterable[tuple[Network, Grant | None]]) -> None:
        """Networks whose best grant is now another, or none."""

    def renew(self) -> None:
        """Called now and then: prolong what would otherwise lapse."""

    def publish(self) -> None:
        """Write what has changed."""

    def clear(self) -> None:
        """Take out all grants, with or without a daemon; the operator's own rules stay."""


class MakesMap(Protocol):
    def __call__(self, settings: MapSettings, clock: Clock) -> Map: ...


def make_lease(settings: MapSettings, clock: Clock) -> Lease:
    """How long the word of this map lasts."""
    return Lease(settings.path, settings.lease, clock)


def empty(map_: Map, lease: Lease) -> None:
    """Take all grants out of a map; it needs no lease then."""
    with lease.ended(early=True):
        map_.clear()


def make_map(settings: MapSettings, clock: Clock) -> Map:
    """The map that these settings describe."""
    row = MAPS[str(getattr(type(settings), "__struct_config__").tag)]  # noqa: B009
    module, _, attribute = row.partition(":")
    return cast(MakesMap, getattr(import_module(f".{module}", __name__), attribute))(
        settings, clock
    )
