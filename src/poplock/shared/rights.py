"""Reads what holds in the shared store, for people: nothing is remembered of it."""

from collections.abc import AsyncIterator

from ..core.addresses import Network
from ..core.errors import StoreError
from ..core.grants import Grant
from ..stores.redis import RedisStore
from .view import View


async def rights(
    store: RedisStore, view: View, now: float, network: Network | None
) -> AsyncIterator[Grant]:
    """The rights of a network or all, by the revocations that `view` knows. SharedStoreError.

    Of all, one may be told twice: so SCAN goes over keys.
    """
    async for networks in _networks(store, network):
        for document in (await store.find(networks)).values():
            if isinstance(document, StoreError):
                raise document
            for grant in view.rights(document, now):
                yield grant


async def _networks(store: RedisStore, network: Network | None) -> AsyncIterator[list[Network]]:
    if network is not None:
        yield [network]
        return
    async for networks in store.networks():
        yield networks
