"""This host's part in a store that several hosts share.

It tells the store what it knows first-hand (`telling`), asks it for clients that it doesn't
remember (`asking`), and follows what changes there (`following`).
"""

import asyncio
from contextlib import suppress

from ..authorizer import Authorizer
from ..config.shared import SharedSection
from ..core.addresses import Network
from ..core.answers import Answer, Elsewhere, Query
from ..core.grants import Grant, Key
from ..core.table import GrantTable
from ..stores.reaching import SharedStoreError
from ..stores.redis import RedisStore
from .following import Following
from .rights import rights
from .view import Hold, View


class Shared:
    """What the daemon sees of it."""

    def __init__(
        self,
        settings: SharedSection,
        authorizer: Authorizer,
        store: RedisStore,
        *,
        hold: Hold,
    ) -> None:
        self._settings = settings
        self._authorizer = authorizer
        self._store = store
        self.following = Following(settings, authorizer, store, hold=hold)
        self.meet = self.following.meet
        self.sweep = self.following.sweep
        self.told = self.following.teller.told
        self.told_if_linked = self.following.teller.told_if_linked
        authorizer.elsewhere = Elsewhere(self.following.asker.look)

    async def run(self) -> None:
        """Tell and follow until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.following.teller.run())
            tasks.create_task(self.following.run())

    async def close(self) -> None:
        """Tell what is left, if that can be done at once, and go."""
        with suppress(SharedStoreError, TimeoutError):
            async with asyncio.timeout(self._settings.timeout):
                await self.following.teller.tell_changes()
        await self._store.reach.close()

    async def ask(self, query: Query) -> Answer:
        """What the store says of a client, for an operator."""
        return await self.following.asker.ask(query)

    def revocations(self) -> GrantTable:
        """What is taken back until now, to be compared with later."""
        before = GrantTable()
        for revoked in self._authorizer.table.revocations():
            before.revoke(revoked)
        return before

    async def rights(
        self,
        network: Network | None = None,
        user: str | None = None,
        before: GrantTable | None = None,
    ) -> list[Grant]:
        """What holds in the store: of a network or all, of a user or all.

        With `before`, what held then and was taken back since. SharedStoreError.
        """
        now, after = self._authorizer.clock.now(), self._authorizer.table
        view = View(before or after, self._settings.max_skew)
        held: dict[Key, Grant] = {}
        async for grant in rights(self._store, view, now, network):
            taken = before is None or after.revoked_at(*grant.key) >= grant.last_login
            if user in (None, grant.user) and taken:
                held[grant.key] = grant
        return list(held.values())

    def troubles(self) -> list[str]:
        """What is wrong, for `status`."""
        following = self.following
        errors = [link.why for link in following.links.values()]
        errors += [following.trouble, following.teller.trouble, *following.teller.refused.values()]
        found = dict.fromkeys(str(error) for error in errors if error is not None)
        if following.time.trouble is not None:
            found[following.time.trouble] = None
        return list(found)

    def row(self) -> dict[str, object]:
        """How it is, for `status`."""
        following, age = self.following, self.following.links.age()
        return {
            "nodes": list(self._settings.nodes),
            "mode": self._settings.mode,
            "host": self._settings.host_name,
            "masters": {name: link.up for name, link in following.links.items()},
            "heard_seconds_ago": None if age == float("inf") else round(age, 1),
            "remembered": following.view.table.count,
            "to_tell": following.teller.left,
            "clock_offset": round(following.time.offset, 3),
        }


__all__ = ["Hold", "Shared"]
