"""This host's part in a store that several hosts share.

Three streams, each with one rule:

- **Telling.** What changes in the own table is told to the store, revocations first. It is state
  and not messages that is told: what can't be told now waits, a later state takes the place of an
  earlier one, and a store that was restarted, emptied or failed over is told all we know again.
  Everything told is in this host's own database as well, so nothing is lost meanwhile.
- **Asking.** A client that isn't in the view is asked for, every time. While the store can't be
  reached or followed, the answer is `unavailable` at once.
- **Following.** A tracker at each master says what was changed and how fresh we are. Revocations
  are mirrored by every host, and taken off whatever the store says. What is remembered answers for
  `max_staleness` after the last heartbeat and not a moment longer.

A store that has just been made, or has become another server, may lack what it should hold: for
`max_staleness` "no grant" is then no answer.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from secrets import token_hex

import msgspec
from redis.exceptions import AskError, MovedError

from .authorizer import Authorizer
from .config.shared import SharedSection
from .core.addresses import Network
from .core.answers import Answer, Elsewhere, NoOpinion, Query, Unavailable
from .core.errors import StoreError
from .core.grants import Grant, Key, Revoked
from .core.table import Change, GrantTable
from .stores import Batch
from .stores.document import Document
from .stores.reaching import LIBRARY_ERRORS, SharedStoreError
from .stores.redis import RedisStore
from .stores.tracking import Beat, Identity, Tracker
from .view import View

log = logging.getLogger(__name__)

_RETRY = 0.5  # seconds between attempts to tell
_MASTERS_AGAIN = 5.0  # seconds between two looks at who the masters are
_MOST_FLIGHTS = 4  # questions to the store under way at once; more gather into the next
_RETOLD = 500  # grants told again in one go, between those that are new
_SAMPLES = 8  # heartbeats of which the quickest tells the time

_Waiting = tuple[Query, Callable[[Answer], None]]


class Known(msgspec.Struct):
    """What a host remembers of the store while that is out of reach."""

    epoch: str
    offset: float


class _Link:
    """A master as we follow it."""

    def __init__(self) -> None:
        self.up = False
        self.fresh = float("-inf")  # the event loop's clock
        self.identity: Identity | None = None
        self.why: SharedStoreError | None = None
        self.tracker: Tracker | None = None
        self.task: asyncio.Task[None] | None = None


class Shared:
    """Tells, asks and follows."""

    POSITION = "shared"
    """Beside the sources' positions: what must be known to start without the store."""

    def __init__(
        self,
        settings: SharedSection,
        authorizer: Authorizer,
        store: RedisStore,
        *,
        everything: bool,
    ) -> None:
        """With `everything`, all rights are held here: for maps, which MTAs read by themselves."""
        self._settings = settings
        self._host = settings.host_name
        self._authorizer = authorizer
        self._store = store
        self._everything = everything
        self.view = View(authorizer.table)
        self._links: dict[str, _Link] = {}
        self._known: Known | None = None
        self._revocations_known = False
        self._settled = float("-inf")  # the event loop's clock
        self._asked: dict[Network, list[_Waiting]] = {}
        self._flights = 0
        self._outbox = authorizer.outbox = Batch()
        self._again: deque[Key] = deque()
        self._to_tell = asyncio.Event()
        self._told: list[asyncio.Future[None]] = []
        self._reload = asyncio.Event()
        self._masters_changed = asyncio.Event()
        self._samples: deque[tuple[float, float]] = deque(maxlen=_SAMPLES)
        self._seq = 0.0
        self._skewed = False
        self._refused: dict[str, SharedStoreError] = {}  # keys that hold what isn't ours
        self._telling: SharedStoreError | None = None
        self._learning: SharedStoreError | None = None
        authorizer.seen = self.view.table
        authorizer.elsewhere = Elsewhere(self.look)
        authorizer.fresh_until = float("-inf")
        authorizer.blind = everything
        authorizer.on_pending(self.changed_here)
        authorizer.on_revoked(self._revoked)

    # The beginning.

    async def meet(self, position: str | None) -> None:
        """Learn the store's schema and clock, before the own table is loaded.

        The first time that a host does this the store must be there: SharedStoreError. Later it
        starts without.
        """
        if position is not None:
            with suppress(msgspec.MsgspecError):
                self._known = msgspec.json.decode(position, type=Known)
        clock = self._authorizer.clock
        try:
            before = clock.uptime()
            store_time = await self._store.time()
            offset = store_time + (clock.uptime() - before) / 2 - clock.wall()
            await self._check_schema(store_time, await self._store.get(self._store.schema_key))
        except SharedStoreError as error:
            if self._known is None:
                raise
            log.error("%s; going on with what this host knows", error)
            self._telling = error
            offset = self._known.offset
        clock.follow(offset)
        self._remember_offset(offset)

    async def _check_schema(self, store_time: float, text: bytes | None) -> None:
        """Whose keys these are; an empty store becomes ours."""
        store = self._store
        schema = store.schema(text)
        if schema is None:
            if self._known is None and await store.others_keys():
                raise SharedStoreError(
                    f"{store.reach.place} has keys under {store.prefix} but no {store.schema_key}:"
                    " they are another program's, or the engine evicts keys (maxmemory-policy"
                    " must be noeviction)",
                    "shared.prefix",
                )
            await store.make_schema(token_hex(8), store_time)
            schema = store.schema(await store.get(store.schema_key))
        if schema is None:
            raise SharedStoreError(f"{store.reach.place} does not keep what it is given")
        if self._known is None or self._known.epoch != schema.epoch:
            offset = 0.0 if self._known is None else self._known.offset
            self._known = Known(schema.epoch, offset)
            self._tell_all()
        age = store_time - schema.made
        if 0 <= age < self._settings.max_staleness:
            self._settle(self._settings.max_staleness - age)

    def _settle(self, seconds: float) -> None:
        self._settled = max(self._settled, asyncio.get_running_loop().time() + seconds)

    async def run(self) -> None:
        """Tell and follow until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tell())
            tasks.create_task(self._load())
            await self._track(tasks)

    async def close(self) -> None:
        """Tell what is left, if that can be done at once, and go."""
        with suppress(SharedStoreError, TimeoutError):
            async with asyncio.timeout(self._settings.timeout):
                await self._tell_changes()
        await self._store.reach.close()

    # Telling.

    async def told(self) -> None:
        """Return when the store has all that was recorded until now; SharedStoreError if not."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._told.append(done)
        self._to_tell.set()
        await done

    async def told_if_linked(self) -> None:
        """The same, unless the store can't be reached: then this host's disk is enough."""
        if self._telling is None:
            with suppress(SharedStoreError):
                await self.told()

    def changed_here(self) -> None:
        """The own table has changed."""
        if self._outbox:
            self._to_tell.set()

    def _tell_all(self) -> None:
        """Tell again all that is known; what changes meanwhile goes before it."""
        table = self._authorizer.table
        self._outbox.revoked = [*table.revocations(), *self._outbox.revoked]
        self._again = deque(grant.key for grant in table)
        self._to_tell.set()

    async def _tell(self) -> None:
        while True:
            await self._to_tell.wait()
            self._to_tell.clear()
            told, self._told = self._told, []
            try:
                await self._tell_changes()
                _settle(told, None)
                while self._again and not self._to_tell.is_set():
                    await self._tell_again()
            except SharedStoreError as error:
                if self._telling is None:
                    log.error("%s; what it should hold waits on this host's disk", error)
                self._telling = error
                _settle(told, error)
                await asyncio.sleep(_RETRY)
                self._to_tell.set()
            else:
                if self._telling is not None:
                    log.warning("the shared store takes what it is told again")
                self._telling = None
                if self._again:
                    self._to_tell.set()

    async def _tell_changes(self) -> None:
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

    async def _keep(self, revoked: Iterable[Revoked], grants: Iterable[Grant]) -> None:
        authorizer = self._authorizer
        now = authorizer.clock.now()
        self._seq = max(self._seq + 1e-6, now)
        live = [grant for grant in grants if grant.live_at(now)]
        kept = await self._store.keep(
            live, revoked, self._host, self._seq, authorizer.policy.longest_life
        )
        for key, error in kept.items():
            if error is None:
                self._refused.pop(key, None)
            else:
                self._refused[key] = error

    # Asking.

    def look(self, query: Query, done: Callable[[Answer], None]) -> None:
        """Ask the store for a client, and call back with the answer."""
        authorizer = self._authorizer

        def counted(answer: Answer) -> None:
            authorizer.count(query, answer)
            done(answer)

        self._look(query, counted)

    async def ask(self, query: Query) -> Answer:
        """The same for an operator, whose questions don't count."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._look(query, answer.set_result)
        return await answer

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
        revoked: GrantTable | None = None,
    ) -> list[Grant]:
        """What holds in the store: of a network or all, of a user or all.

        With `revoked`, what held before what was taken back since; SharedStoreError.
        """
        view = View(revoked or self._authorizer.table)
        latest = self._authorizer.clock.now() + self._settings.max_skew
        after = self._authorizer.table
        held: list[Grant] = []
        async for networks in _those(network, self._store):
            for found, document in (await self._store.find(networks)).items():
                if isinstance(document, StoreError):
                    raise document
                for grant in view.rights(found, document, latest):
                    taken = revoked is None or after.revoked_at(*grant.key) >= grant.last_login
                    if user in (None, grant.user) and taken:
                        held.append(grant)
        return list({grant.key: grant for grant in held}.values())  # SCAN may tell one twice

    def _look(self, query: Query, done: Callable[[Answer], None]) -> None:
        network = self._authorizer.network(query.client)
        why = self._why_not()
        if network is None or why is not None:
            answer = Unavailable(why or f"{query.client[:64]!r} is not an address")
            asyncio.get_running_loop().call_soon(done, answer)
            return
        self._asked.setdefault(network, []).append((query, done))
        self._ask_soon()

    def _ask_soon(self) -> None:
        if self._flights < _MOST_FLIGHTS:
            self._flights += 1
            asyncio.get_running_loop().call_soon(self._ask)

    def _ask(self) -> None:
        asked, self._asked = self._asked, {}
        if not asked:
            self._flights -= 1
            return
        task = asyncio.create_task(self._find(asked))
        _tasks.add(task)
        task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        _tasks.discard(task)
        self._flights -= 1
        if self._asked:
            self._ask_soon()
        if not task.cancelled() and task.exception() is not None:
            log.error("a bug while the shared store was asked", exc_info=task.exception())

    async def _find(self, asked: dict[Network, list[_Waiting]]) -> None:
        authorizer = self._authorizer
        found, moved = await self._documents(list(asked))
        failure = self._why_not()
        now = authorizer.clock.now()
        latest = now + self._settings.max_skew
        changes: list[Change] = []
        for network, waiting in asked.items():
            document = found.get(network)
            if failure is not None or isinstance(document, StoreError):
                _answer_all(waiting, Unavailable(failure or str(document)))
                continue
            rights = [] if document is None else self.view.rights(network, document, latest)
            live = [grant for grant in rights if grant.live_at(now)]
            if (live or self._everything) and network not in moved:
                changes += self.view.remember(network, live)
            if live:
                best = max(live, key=lambda grant: grant.expires_at)
                for query, done in waiting:
                    done(authorizer.permit(best, query))
            elif waiting:
                _answer_all(waiting, self._none(network))
        authorizer.show(changes)

    async def _documents(
        self, networks: list[Network]
    ) -> tuple[dict[Network, Document | StoreError], list[Network]]:
        """What the masters say, each on the connection on which we follow it.

        And which networks move just now from one to another (resharding): the library finds them,
        but nobody tells us of their changes.
        """
        store, by_master = self._store, dict[str, list[Network]]()
        for network in networks:
            by_master.setdefault(store.reach.holder(store.key(network)) or "", []).append(network)
        values = dict[Network, bytes | Exception | None]()
        for some in await asyncio.gather(*[self._ask_master(of) for of in by_master.values()]):
            values |= some
        moved = [n for n, value in values.items() if isinstance(value, MovedError | AskError)]
        found = store.documents((n, v) for n, v in values.items() if n not in moved)
        if moved:
            self._masters_changed.set()
            try:
                found |= await store.find(moved)
            except SharedStoreError as error:
                found |= dict.fromkeys(moved, error)
        return found, moved

    async def _ask_master(self, networks: list[Network]) -> dict[Network, bytes | Exception | None]:
        store = self._store
        keys = [store.key(network) for network in networks]
        try:
            tracker = self._tracker(keys[0])
            if store.reach.clustered:  # its keys are in many slots
                values = await tracker.ask_all([("GET", key) for key in keys])
            else:
                values = await tracker.ask("MGET", *keys)
        except (*LIBRARY_ERRORS, SharedStoreError) as error:
            return dict.fromkeys(networks, error)
        return dict(zip(networks, values, strict=True))

    def _none(self, network: Network) -> Answer:
        left = self._settled - asyncio.get_running_loop().time()
        if left > 0:
            return Unavailable(
                f"the shared store is new or has failed over; it counts in {left:.0f} s"
            )
        return NoOpinion(f"no grant for {network}")

    def _why_not(self) -> str | None:
        """Why the store's word doesn't count now."""
        link = self._links.get(self._store.reach.holder(self._store.revoked_key) or "")
        if link is None or not link.up:
            return str(link.why) if link and link.why else "the shared store is not linked yet"
        if not self._revocations_known:
            return "the revocations in the shared store are not known yet"
        return None

    # Following.

    async def _track(self, tasks: asyncio.TaskGroup) -> None:
        """Have a tracker at each master."""
        while True:
            try:
                masters = await self._store.reach.masters()
            except SharedStoreError as error:
                self._telling = self._telling or error
                await asyncio.sleep(_RETRY)
                continue
            names = {master.name for master in masters}
            for name in [name for name in self._links if name not in names]:
                link = self._links.pop(name)
                if link.task is not None:
                    link.task.cancel()
                self._doubt_view()
            for master in masters:
                link = self._links.setdefault(master.name, _Link())
                if link.task is None or link.task.done():
                    link.tracker = Tracker(master, self._store.reach, self._store.prefix, self)
                    link.task = tasks.create_task(link.tracker.run())
            self._masters_changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_MASTERS_AGAIN):
                    await self._masters_changed.wait()
                await asyncio.sleep(_RETRY)
            with suppress(SharedStoreError):
                await self._store.reach.look_again()

    async def linked(self, name: str, identity: Identity) -> None:
        """Changes at this master are told from now on."""
        link = self._links.get(name)
        if link is None:
            return
        self._doubt_view()
        if link.identity is not None and identity[:2] != link.identity[:2]:
            log.warning("%s is another server than before", name)
            self._settle(self._settings.max_staleness)
            self._tell_all()
        elif identity.uptime < self._settings.max_staleness:
            self._settle(self._settings.max_staleness - identity.uptime)
            self._tell_all()
        elif link.identity is None:
            self._tell_all()
        link.identity = identity
        if self._holds_revocations(name):
            await self._learn()
        if link.why is not None:
            log.warning("%s is linked again", name)
        link.up, link.why = True, None
        self._refresh()
        self._reload.set()
        self._to_tell.set()

    def lost(self, name: str, why: SharedStoreError) -> None:
        """Changes at this master are not told any more."""
        link = self._links.get(name)
        if link is None:
            return
        if link.why is None:
            log.error("%s; nothing new can be said after %s", why, self._settings.max_staleness)
        link.up, link.why = False, why
        if self._holds_revocations(name):
            self._revocations_known = False
        self._masters_changed.set()

    def changed(self, name: str, keys: list[bytes] | None) -> None:
        """These keys were written; None: all of them may have been."""
        store = self._store
        if keys is None:  # somebody emptied it
            self._settle(self._settings.max_staleness)
            self._tell_all()
            self._doubt_view()
            self._reload.set()
            self._spawn(self._learn())
            return
        changes: list[Change] = []
        for key in keys:
            network = store.network(key)
            if key.decode(errors="replace") in self._refused:
                self._tell_all()  # perhaps it takes what we tell now
            if network is None:
                self._spawn(self._learn())
                continue
            if self._everything or self._authorizer.expects(network):
                self._asked.setdefault(network, [])
                self._ask_soon()
            else:
                changes += self.view.drop(network)
        if changes:
            self._authorizer.show(changes)

    def beat(self, name: str, beat: Beat) -> None:
        """All changes from before this heartbeat are known."""
        link = self._links.get(name)
        if link is None:
            return
        link.fresh = beat.sent
        self._refresh()
        if self._holds_revocations(name):
            self._measure(beat)

    def _refresh(self) -> None:
        """How long what is remembered may be relied on."""
        authorizer, links = self._authorizer, self._links.values()
        age = asyncio.get_running_loop().time() - min(link.fresh for link in links)
        authorizer.fresh_until = authorizer.clock.now() - age + self._settings.max_staleness

    def sweep(self) -> None:
        """What has ended is forgotten; maps are closed when nothing can be relied on."""
        authorizer = self._authorizer
        now = authorizer.clock.now()
        gone = self.view.table.expire(now)
        if gone:
            authorizer.show([Change(grant.key, None) for grant in gone])
        if self._everything and now > authorizer.fresh_until and not authorizer.blind:
            authorizer.blind = True
            self._reload.set()

    def _doubt_view(self) -> None:
        """Changes may have been missed: forget what is remembered; maps are read anew."""
        if not self._everything:
            self.view.clear()
            self._authorizer.seen = self.view.table

    async def _load(self) -> None:
        """Hold all rights, for maps."""
        while True:
            await self._reload.wait()
            self._reload.clear()
            if not self._everything:
                continue
            try:
                await self._load_all()
            except SharedStoreError:
                await asyncio.sleep(_RETRY)
                self._reload.set()

    async def _load_all(self) -> None:
        if self._why_not() is not None or not all(link.up for link in self._links.values()):
            return  # it will be wanted again when they are linked
        known = {grant.network for grant in self.view.table}
        async for networks in self._store.networks():
            await self._find({network: [] for network in networks})
            known.difference_update(networks)
        if known:
            await self._find({network: [] for network in known})
        self._authorizer.blind = False

    async def _learn(self) -> None:
        """Mirror the revocations, and see that the store is still the one we know."""
        store = self._store
        try:
            keys = (store.revoked_key, store.schema_key)  # which may be at different masters
            revoked, schema = [await self._tracker(key).ask("GET", key) for key in keys]
            for each in store.revocations(revoked):
                self._authorizer.learn(each)
            self._revocations_known = True
            await self._check_schema(self._authorizer.clock.now(), schema)
            self._learning = None
        except (*LIBRARY_ERRORS, StoreError) as error:
            if isinstance(error, MovedError | AskError):
                self._masters_changed.set()
            self._revocations_known = False
            self._learning = store.reach.explained(error)
            asyncio.get_running_loop().call_later(_RETRY, self._spawn_learn)

    def _tracker(self, key: str) -> Tracker:
        """The tracker at the master that holds a key."""
        name = self._store.reach.holder(key) or ""
        link = self._links.get(name)
        if link is None or link.tracker is None:
            raise SharedStoreError(f"no link to {name or key}")
        return link.tracker

    def _revoked(self, revoked: Revoked) -> None:
        changes = self.view.revoke(revoked)
        if changes:
            self._authorizer.show(changes)

    def _spawn_learn(self) -> None:
        if not self._revocations_known:
            self._spawn(self._learn())

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)

    def _holds_revocations(self, name: str) -> bool:
        return self._store.reach.holder(self._store.revoked_key) == name

    # The clock.

    def _measure(self, beat: Beat) -> None:
        clock = self._authorizer.clock
        self._samples.append((beat.took, beat.store_time + beat.took / 2 - clock.wall()))
        offset = min(self._samples)[1]
        clock.follow(offset)
        skewed = abs(offset) > self._settings.max_skew
        if skewed and not self._skewed:
            log.error("%s", self._skew(offset))
        self._skewed = skewed
        self._remember_offset(offset)

    def _remember_offset(self, offset: float) -> None:
        known = self._known
        if known is None:
            return
        self.offset = offset
        new = msgspec.json.encode(Known(known.epoch, round(offset, 1))).decode()
        if new != self._position:
            self._position = new
            self._authorizer.pending.positions[self.POSITION] = new
            self._authorizer.wake()

    offset = 0.0
    _position = ""

    @staticmethod
    def _skew(offset: float) -> str:
        way = "behind" if offset > 0 else "ahead of"
        return (
            f"this host's clock is {abs(offset):.0f} s {way} the shared store's, which is the one"
            " that counts; set it right (NTP)"
        )

    # For people.

    def troubles(self) -> list[str]:
        """What is wrong, for `status`."""
        found = [str(link.why) for link in self._links.values() if link.why is not None]
        for error in (self._telling, self._learning, *self._refused.values()):
            if error is not None and str(error) not in found:
                found.append(str(error))
        if self._skewed:
            found.append(self._skew(self.offset))
        return found

    def row(self) -> dict[str, object]:
        """How it is, for `status`."""
        now = asyncio.get_running_loop().time()
        fresh = [link.fresh for link in self._links.values()]
        age = now - min(fresh, default=float("-inf"))
        return {
            "nodes": list(self._settings.nodes),
            "mode": self._settings.mode,
            "host": self._host,
            "masters": {name: link.up for name, link in self._links.items()},
            "heard_seconds_ago": None if age == float("inf") else round(age, 1),
            "remembered": self.view.table.count,
            "to_tell": len(self._outbox.grants) + len(self._outbox.revoked) + len(self._again),
            "clock_offset": round(self.offset, 3),
        }


_tasks: set[asyncio.Future[None]] = set()  # the loop itself holds tasks by weak references only


async def _those(network: Network | None, store: RedisStore) -> AsyncIterator[list[Network]]:
    if network is not None:
        yield [network]
        return
    async for networks in store.networks():
        yield networks


def _answer_all(waiting: Iterable[_Waiting], answer: Answer) -> None:
    for _, done in waiting:
        done(answer)


def _settle(waiting: Iterable[asyncio.Future[None]], error: SharedStoreError | None) -> None:
    for done in waiting:
        if done.done():
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(SharedStoreError(str(error), error.setting))
