"""The operators' verbs on a host that shares a store, while no daemon runs there.

What the shared store says counts, as it does with a daemon. An order is kept in this host's own
file first and then told; what can't be told now, the daemon tells when it runs, so it isn't lost.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TypeVar

from .authorizer import Authorizer
from .config.shared import SharedSection
from .core.addresses import Network
from .core.answers import Answer, NoOpinion, Query, Unavailable
from .core.errors import StoreError
from .core.grants import Grant
from .core.table import GrantTable
from .office import Office, Row
from .scales import kept_offset, measured_offset
from .shared.rights import rights
from .shared.view import View
from .stores import Batch, Store
from .stores.reaching import SharedStoreError
from .stores.redis import RedisStore

T = TypeVar("T")


class OfflineOffice(Office):
    """An office that asks and tells the shared store by itself, each time anew."""

    def __init__(self, settings: SharedSection, authorizer: Authorizer, store: Store) -> None:
        """Before the file is loaded: the shared store's clock is the one that counts."""
        super().__init__(authorizer, store)
        self._settings = settings
        self._outbox = authorizer.outbox = Batch()
        offset = kept_offset(store)
        with suppress(StoreError):  # it is said when the store is asked for what matters
            offset = self._reach(lambda shared: measured_offset(shared, authorizer.clock))
        if offset is not None:
            authorizer.clock.follow(offset)

    def check(self, ip: str, sender: str | None = None, answer: Answer | None = None) -> Row:
        return super().check(ip, sender, answer or self._answer(Query(ip, sender)))

    def list(self, grants: Iterable[Grant] | None = None) -> Iterator[Row]:
        return super().list(self._rights(None) if grants is None else grants)

    def revoke(self, ip: str | None, user: str | None) -> Sequence[Row]:
        network = None if ip is None else self.network(ip)
        now = self._authorizer.clock.now()
        lost = {g.key: self.row(g) for g in self._authorizer.table if g.live_at(now)}
        with suppress(StoreError):  # it can't be told either then, which is said
            lost |= {grant.key: self.row(grant) for grant in self._rights(network)}
        super().revoke(ip, user)
        return [
            row
            for key, row in sorted(lost.items())
            if network in (None, key.network) and user in (None, key.user)
        ]

    def tell(self) -> None:
        """Tell the shared store what was ordered, once that is on this host's disk; StoreError."""
        outbox = self._outbox
        if not outbox:
            return
        try:
            kept = self._reach(lambda shared: self._keep(shared, outbox))
            for refused in filter(None, kept.values()):
                raise refused
        except StoreError as error:
            raise StoreError(
                f"{error}; kept on this host's disk, and told when poplock runs here. Until then"
                " other hosts don't know of it."
            ) from error

    async def _keep(self, shared: RedisStore, told: Batch) -> dict[str, SharedStoreError | None]:
        authorizer = self._authorizer
        authorizer.remember_for(await shared.remember_for(authorizer.memory))
        return await shared.keep(
            [grant for grant in told.grants.values() if grant is not None],
            told.revoked,
            self._settings.host_name,
            authorizer.clock.now(),
            authorizer.memory,
        )

    def _answer(self, query: Query) -> Answer:
        """What an MTA would be told."""
        authorizer = self._authorizer
        network = authorizer.network(query.client)
        if network is None:
            return NoOpinion(f"{query.client[:64]!r} is not an address")
        try:
            live = self._rights(network)
            if live:
                return authorizer.permit(max(live, key=lambda grant: grant.expires_at), query, live)
            return self._reach(lambda shared: self._none(shared, network))
        except StoreError as error:
            return Unavailable(str(error))

    async def _none(self, shared: RedisStore, network: Network) -> Answer:
        """What it means that the store has no right of a network."""
        schema = shared.schema(await shared.get(shared.schema_key))
        if schema is None:
            return Unavailable(f"{shared.reach.place} is empty: no poplock has used it yet")
        left = schema.made + self._settings.max_staleness - self._authorizer.clock.now()
        if left > 0:
            return Unavailable(f"the shared store is new; it counts in {left:.0f} s")
        return NoOpinion(f"no grant for {network}")

    def _rights(self, network: Network | None) -> Sequence[Grant]:
        """The live rights in the store, of a network or all; StoreError."""
        return self._reach(lambda shared: self._read(shared, network))

    async def _read(self, shared: RedisStore, network: Network | None) -> Sequence[Grant]:
        known = GrantTable()
        revoked = shared.revocations(await shared.get(shared.revoked_key))
        for each in (*self._authorizer.table.revocations(), *revoked):
            known.revoke(each)
        view = View(known, self._settings.max_skew)
        found = rights(shared, view, self._authorizer.clock.now(), network)
        return list({grant.key: grant async for grant in found}.values())

    def _reach(self, work: Callable[[RedisStore], Awaitable[T]]) -> T:
        async def run() -> T:
            shared = RedisStore(self._settings)
            try:
                return await work(shared)
            finally:
                await shared.reach.close()

        return asyncio.run(run())
