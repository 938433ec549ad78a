"""Tells the shared store what this host knows first-hand.

It is state and not messages that is told: what can't be told now waits, a later state takes the
place of an earlier one, and a store that was restarted, emptied or failed over is told all we know
again. All of it is in this host's own database as well, so nothing is lost meanwhile, and what
waits is bounded by what the table holds. Revocations go first.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress

from ..authorizer import Authorizer
from ..core.grants import Grant, Key, Revoked
from ..stores import Batch
from ..stores.reaching import SharedStoreError
from ..stores.redis import RedisStore
from ..waiters import Waiters

log = logging.getLogger(__name__)

_RETRY = 0.5  # seconds between attempts
_RETOLD = 500  # grants told again in one go, between those that are new


class Teller:
    """Empties the authorizer's outbox into the store."""

    def __init__(self, authorizer: Authorizer, store: RedisStore, host: str) -> None:
        self._authorizer = authorizer
        self._store = store
        self._host = host
        self._outbox = authorizer.outbox = Batch()
        self._again: deque[Key] = deque()
        self._wanted = asyncio.Event()
        self._waiters = Waiters(self._wanted)
        self._seq = 0.0
        self.memory = 0.0
        """Seconds for which hosts remember revocations, as the store says."""
        self.trouble: SharedStoreError | None = None
        self.refused: dict[str, SharedStoreError] = {}
        """Keys under which something stands that isn't ours."""
        authorizer.on_pending(self._changed)

    @property
    def left(self) -> int:
        """How much waits to be told."""
        return len(self._outbox.grants) + len(self._outbox.revoked) + len(self._again)

    async def told(self) -> None:
        """Return when the store has all that was recorded until now; SharedStoreError if not."""
        await self._waiters.done()

    async def told_if_linked(self) -> None:
        """The same, unless the store can't be reached: then this host's disk is enough."""
        if self.trouble is None:
            with suppress(SharedStoreError):
                await self.told()

    def tell_all(self, master: str | None = None) -> None:
        """Tell again all that is known, or what belongs to one master; what is new goes first."""
        table, store = self._authorizer.table, self._store
        self._outbox.revoked = [*table.revocations(), *self._outbox.revoked]
        self._again.extend(
            grant.key
            for grant in table
            if master is None or store.reach.holder(store.key(grant.network)) == master
        )
        self._wanted.set()

    def try_now(self) -> None:
        """The store may work again."""
        self._wanted.set()

    def try_refused(self) -> None:
        """Perhaps the keys are free now that held what isn't ours."""
        for key in self.refused:
            network = self._store.network(key.encode())
            if network is None:
                self._outbox.revoked = [*self._authorizer.table.revocations()]
            else:
                self._again.extend(grant.key for grant in self._authorizer.table.find(network))
        if self.refused:
            self._wanted.set()

    def _changed(self) -> None:
        if self._outbox:
            self._wanted.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                with self._waiters.round():
                    await self.tell_changes()
                while self._again and not self._wanted.is_set():
                    await self._tell_again()
            except SharedStoreError as error:
                if self.trouble is None:
                    log.error("%s; what it should hold waits on this host's disk", error)
                self.trouble = error
                await asyncio.sleep(_RETRY)
                self._wanted.set()
            else:
                if self.trouble is not None:
                    log.warning("the shared store takes what it is told again")
                self.trouble = None
                if self._again:
                    self._wanted.set()

    async def tell_changes(self) -> None:
        """Tell what has changed since the last time."""
        outbox, self._outbox = self._outbox, Batch()
        self._authorizer.outbox = self._outbox
        try:
            await self._keep(outbox.revoked, [g for g in outbox.grants.values() if g is not None])
        except BaseException:
            outbox.merge_later(self._outbox)
            self._outbox = self._authorizer.outbox = outbox
            raise

    async def _tell_again(self) -> None:
        """A handful of what the store may have lost."""
        table = self._authorizer.table
        keys = [self._again.popleft() for _ in range(min(_RETOLD, len(self._again)))]
        try:
            await self._keep((), [g for key in keys for g in table.find(key.network)])
        except BaseException:
            self._again.extendleft(keys)
            raise

    async def _keep(self, revoked: Sequence[Revoked], grants: Iterable[Grant]) -> None:
        authorizer = self._authorizer
        now = authorizer.clock.now()
        self._seq = max(self._seq + 1e-6, now)
        if self.memory < authorizer.memory:
            self.memory = await self._store.remember_for(authorizer.memory)
        kept = await self._store.keep(
            [grant for grant in grants if grant.live_at(now)],
            revoked,
            self._host,
            self._seq,
            authorizer.memory,
        )
        for key, error in kept.items():
            if error is None:
                self.refused.pop(key, None)
            else:
                self.refused[key] = error
