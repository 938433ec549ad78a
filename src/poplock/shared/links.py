"""The masters of the shared store as we follow them, and what may be concluded from that."""

import asyncio
import math

from ..stores.reaching import SharedStoreError
from ..stores.redis import RedisStore
from ..stores.tracking import Identity, Tracker


class Link:
    """One master."""

    def __init__(self) -> None:
        self.up = False
        self.fresh = -math.inf
        """When we last knew of every change there, by the event loop's clock."""
        self.identity: Identity | None = None
        self.why: SharedStoreError | None = None
        self.tracker: Tracker | None = None
        self.task: asyncio.Task[None] | None = None


class Links(dict[str, Link]):
    """All of them, by name."""

    def __init__(self, store: RedisStore) -> None:
        super().__init__()
        self._store = store
        self.revocations_known = False
        """Whether every revocation in the store is in our own table."""
        self._settled = -math.inf

    def tracker(self, key: str) -> Tracker:
        """The tracker at the master that holds a key."""
        name = self._store.reach.holder(key) or ""
        link = self.get(name)
        if link is None or link.tracker is None:
            raise SharedStoreError(f"no link to {name or key}")
        return link.tracker

    def holds_revocations(self, name: str) -> bool:
        return self._store.reach.holder(self._store.revoked_key) == name

    def why_not(self) -> str | None:
        """Why the store's word doesn't count now; None while it does."""
        link = self.get(self._store.reach.holder(self._store.revoked_key) or "")
        if link is None or not link.up:
            return str(link.why) if link and link.why else "the shared store is not linked yet"
        if not self.revocations_known:
            return "the revocations in the shared store are not known yet"
        return None

    @property
    def all_up(self) -> bool:
        return all(link.up for link in self.values())

    def age(self) -> float:
        """Seconds since we last knew of every change everywhere."""
        fresh = min((link.fresh for link in self.values()), default=-math.inf)
        return asyncio.get_running_loop().time() - fresh

    def settle(self, seconds: float) -> None:
        """The store may lack what it should hold: hosts are telling it."""
        self._settled = max(self._settled, asyncio.get_running_loop().time() + seconds)

    @property
    def unsettled(self) -> float:
        """For how many seconds more."""
        return max(self._settled - asyncio.get_running_loop().time(), 0.0)
