"""Follows the shared store: what changes, whether it still is the one we know, what was revoked.

A tracker at each master tells what was changed and how fresh we are. Revocations are mirrored by
every host and taken off whatever the store says. What is remembered answers for `max_staleness`
after the last heartbeat and not a moment longer. A push says only that there are new revocations:
until they have been read, later heartbeats count for nothing.

A master that has become another server, or was emptied, may lack what it should hold. Then it is
told all we know again, and for `max_staleness` "no grant" is no answer.
"""

import asyncio
import logging
import math
from collections.abc import Coroutine
from contextlib import suppress

from redis.exceptions import AskError, MovedError

from ..authorizer import Authorizer
from ..config.shared import SharedSection
from ..core.errors import StoreError
from ..core.grants import Revoked
from ..core.table import Change
from ..scales import measured_offset
from ..stores.reaching import LIBRARY_ERRORS, Master, SharedStoreError
from ..stores.redis import RedisStore
from ..stores.tracking import Beat, Identity, Tracker
from .asking import Asker
from .links import Link, Links
from .loading import Loader
from .schema import Schema
from .telling import Teller
from .time import CommonTime
from .view import Hold, View

log = logging.getLogger(__name__)

_RETRY = 0.5  # seconds
_MASTERS_AGAIN = 5.0  # seconds between two looks at who the masters are


class Following:
    """Keeps the view, the revocations and the common time true."""

    def __init__(
        self,
        settings: SharedSection,
        authorizer: Authorizer,
        store: RedisStore,
        *,
        hold: Hold,
    ) -> None:
        self._staleness = settings.max_staleness
        self._authorizer = authorizer
        self._store = store
        self._everything = hold is Hold.EVERYTHING
        # Without answers, what is revoked and whether the store is the same is all that counts.
        own = (store.revoked_key, store.schema_key)
        self._followed = own if hold is Hold.NOTHING else (store.prefix,)
        self._first: set[str] = set()  # the masters of the beginning
        self._masters_changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pushed = 0  # times that we were told of new revocations
        self._heard = -math.inf  # the last heartbeat of who holds them
        self._unread = math.inf  # that before the first one that we haven't read yet
        self.trouble: SharedStoreError | None = None
        self.links = Links(store)
        self.view = View(authorizer.table, settings.max_skew)
        self.time = CommonTime(authorizer.clock, settings.max_skew)
        self.teller = Teller(authorizer, store, settings.host_name)
        self.asker = Asker(
            authorizer,
            store,
            self.links,
            self.view,
            hold=hold,
            on_moved=self._masters_changed.set,
        )
        self._schema = Schema(
            authorizer, store, self.links, self.time, self.teller, settings.max_staleness
        )
        self._loader = Loader(authorizer, store, self.links, self.view, self.asker)
        authorizer.on_revoked(self._revoked)
        authorizer.seen = self.view.table
        authorizer.fresh_until = float("-inf")
        authorizer.blind = self._everything

    async def meet(self, position: str | None) -> None:
        """Learn the store's schema and clock, before the own table is loaded.

        The first time that a host does this the store must be there: SharedStoreError. Later it
        starts without.
        """
        self._schema.recall(position)
        clock = self._authorizer.clock
        try:
            offset = await measured_offset(self._store, clock)
            schema = await self._store.get(self._store.schema_key)
            await self._schema.check(clock.wall() + offset, schema)
            revoked = self._store.revocations(await self._store.get(self._store.revoked_key))
        except SharedStoreError as error:
            if self._schema.known is None:
                raise
            log.error("%s; going on with what this host knows", error)
            self.trouble = error
            offset, revoked = self._schema.known.offset, []
        self.time.follow(offset)
        self._schema.note()
        for each in revoked:  # before this host tells what they meet
            self._authorizer.learn(each)

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            if self._everything:
                tasks.create_task(self._loader.run())
            await self._track(tasks)

    async def _track(self, tasks: asyncio.TaskGroup) -> None:
        """Have a tracker at each master."""
        while True:
            try:
                self._meet_masters(tasks, await self._store.reach.masters())
            except SharedStoreError as error:
                self.trouble = error
                await asyncio.sleep(_RETRY)
                continue
            self._masters_changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_MASTERS_AGAIN):
                    await self._masters_changed.wait()
                await asyncio.sleep(_RETRY)
            with suppress(SharedStoreError):
                await self._store.reach.look_again()

    def _meet_masters(self, tasks: asyncio.TaskGroup, masters: list[Master]) -> None:
        links = self.links
        names = {master.name for master in masters}
        self._first = self._first or names
        for name in [name for name in links if name not in names]:
            task = links.pop(name).task
            if task is not None:
                task.cancel()
            self._doubt()
        for master in masters:
            link = links.setdefault(master.name, Link())
            if link.task is None or link.task.done():
                link.tracker = Tracker(master, self._store.reach, self._followed, self)
                link.task = tasks.create_task(link.tracker.run())

    # What trackers tell.

    async def linked(self, name: str, identity: Identity) -> None:
        """Changes at this master are told from now on."""
        link = self.links.get(name)
        if link is None:
            return
        self._doubt()
        before = link.identity
        another = name not in self._first if before is None else before[:2] != identity[:2]
        if another:
            log.warning("%s is another server than before", name)
            self.links.settle(self._staleness)
        elif identity.uptime < self._staleness:
            self.links.settle(self._staleness - identity.uptime)
        if another or before is None:
            self.teller.tell_all(name)
        link.identity = identity
        if self.links.holds_revocations(name):
            await self._learn()
        if link.why is not None:
            log.warning("%s is linked again", name)
        link.up, link.why = True, None
        self._refresh()
        self._loader.again()
        self.teller.try_now()

    def lost(self, name: str, why: SharedStoreError) -> None:
        """Changes at this master are not told any more."""
        link = self.links.get(name)
        if link is None:
            return
        if link.why is None:
            log.error("%s; grants that were seen count for %.0f s more", why, self._staleness)
        link.up, link.why = False, why
        if self.links.holds_revocations(name):
            self.links.revocations_known = False
        self._masters_changed.set()

    def changed(self, name: str, keys: list[bytes] | None) -> None:
        """These keys were written; None: all of them may have been."""
        if keys is None:  # somebody emptied it
            self.links.settle(self._staleness)
            self.teller.tell_all()
            self._doubt()
            self._loader.again()
            self._spawn(self._learn())
            return
        changes: list[Change] = []
        for key in keys:
            network = self._store.network(key)
            if network is None:
                self._pushed += 1
                self._unread = min(self._unread, self._heard)
                self._spawn(self._learn())
            elif self._everything or self._authorizer.expects(network):
                self.asker.refresh(network)
            else:
                changes += self.view.drop(network)
        if changes:
            self._authorizer.show(changes)

    def beat(self, name: str, beat: Beat) -> None:
        """All changes from before this heartbeat are known."""
        link = self.links.get(name)
        if link is None:
            return
        link.fresh = beat.sent
        if self.links.holds_revocations(name):
            self._heard = beat.sent
            link.fresh = min(beat.sent, self._unread)
            self.time.beat(beat)
            self._schema.note()
        self._refresh()

    def _refresh(self) -> None:
        """How long what is remembered may be relied on."""
        authorizer = self._authorizer
        authorizer.fresh_until = authorizer.clock.now() - self.links.age() + self._staleness

    def _doubt(self) -> None:
        """Changes may have been missed: forget what is remembered; maps are read anew."""
        if not self._everything:
            self._authorizer.seen = self.view.clear()

    # Revocations, and the store's identity.

    async def _learn(self) -> None:
        """Mirror the revocations, and see that the store is still the one we know."""
        store, links = self._store, self.links
        pushed, heard = self._pushed, self._heard
        try:
            keys = (store.revoked_key, store.schema_key)  # which may be at different masters
            revoked, schema = [await links.tracker(key).ask("GET", key) for key in keys]
            for each in store.revocations(revoked):
                self._authorizer.learn(each)
            await self._schema.check(self._authorizer.clock.now(), schema)
        except (*LIBRARY_ERRORS, StoreError) as error:
            if isinstance(error, MovedError | AskError):
                self._masters_changed.set()
            links.revocations_known = False
            self.trouble = store.reach.explained(error)
            asyncio.get_running_loop().call_later(_RETRY, self._learn_again)
        else:
            if not links.revocations_known:
                self._loader.again()  # it may have waited for this
            links.revocations_known = True
            self.trouble = None
            self._unread = math.inf if self._pushed == pushed else heard

    def _learn_again(self) -> None:
        if not self.links.revocations_known:
            self._spawn(self._learn())

    def _revoked(self, revoked: Revoked) -> None:
        changes = self.view.revoke(revoked)
        if changes:
            self._authorizer.show(changes)

    def sweep(self) -> None:
        """What has ended is forgotten; maps are closed when nothing can be relied on."""
        authorizer = self._authorizer
        self.teller.try_refused()
        now = authorizer.clock.now()
        gone = self.view.table.expire(now)
        if gone:
            authorizer.show([Change(grant.key, None) for grant in gone])
        if self._everything and now > authorizer.fresh_until and not authorizer.blind:
            authorizer.blind = True
            self._loader.again()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)  # the loop itself holds tasks by weak references only
        task.add_done_callback(self._tasks.discard)
