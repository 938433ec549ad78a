"""Reads every right in the shared store, for maps: at first, and whenever changes were missed."""

import asyncio
from collections.abc import Collection

from ..authorizer import Authorizer
from ..core.addresses import Network
from ..stores.reaching import SharedStoreError
from ..stores.redis import RedisStore
from .asking import Asker
from .links import Links
from .view import View

_RETRY = 0.5  # seconds


class Loader:
    """Fills the view. While it lacks anything the authorizer is blind, and maps are empty."""

    def __init__(
        self, authorizer: Authorizer, store: RedisStore, links: Links, view: View, asker: Asker
    ) -> None:
        self._authorizer = authorizer
        self._store = store
        self._links = links
        self._view = view
        self._asker = asker
        self._wanted = asyncio.Event()

    def again(self) -> None:
        """Something may have been missed, or what this waited for is there."""
        self._wanted.set()

    async def run(self) -> None:
        """Load until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._load()
            except SharedStoreError:
                await asyncio.sleep(_RETRY)
                self._wanted.set()

    async def _load(self) -> None:
        if self._links.why_not() is not None or not self._links.all_up:
            return  # it will be wanted again when they are linked
        known = {grant.network for grant in self._view.table}
        async for networks in self._store.networks():
            await self._ask(networks)
            known.difference_update(networks)
        await self._ask(known)
        self._authorizer.blind = False

    async def _ask(self, networks: Collection[Network]) -> None:
        if networks:  # a look at a part of the store may show none
            await self._asker.find({network: [] for network in networks})
