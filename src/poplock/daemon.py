"""Puts the parts together and keeps them going.

Order at start: store, table, maps, answers, sources; at the end the other way round, with the maps
emptied, because nobody would renew them. `READY=1` is told when answers can be had; sources may
still be catching up then. A part that fails by a bug is logged and started again; the others go on.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from . import __version__
from .authorizer import Authorizer
from .config import Config
from .config.listen import Listen
from .config.shared import SharedSection
from .config.sources import ListeningSettings, WhosonSettings
from .control import (
    Check,
    ControlServer,
    Grant,
    History,
    List,
    Request,
    Revoke,
    Status,
    Watch,
    WriteMaps,
)
from .core.answers import Query
from .core.clock import Clock, SystemClock
from .core.errors import ConfigError, MapError, StoreError
from .core.policy import Policy
from .keeper import Keeper
from .listeners import Listeners
from .maps import make_lease, make_map
from .net.interfaces import own_addresses
from .net.listen import open_listener
from .net.sdnotify import notify, watchdog_seconds
from .office import Office, Row, stamp
from .permits import PermitLog
from .publisher import Publisher
from .sources import make_source
from .sources.intake import Intake, Lent
from .stores import Store
from .stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from .shared import Shared

log = logging.getLogger(__name__)

_TICK = 1.0  # seconds between two looks at what has expired or was permitted
_PERMITS_KEPT = 60.0  # seconds of permits that become one line of history
_OWN_AGAIN = 60.0  # seconds between two looks at the host's own addresses


def make_authorizer(config: Config, clock: Clock | None = None) -> Authorizer:
    """The policy and an empty table, as configured."""
    own = own_addresses() if config.policy.never_own else None
    policy = Policy(config.policy.rules(), own, config.rules_of_sources())
    return Authorizer(policy, clock or SystemClock(), match_sender=config.policy.match_sender)


async def meet_shared(
    settings: SharedSection, authorizer: Authorizer, store: Store, config: Config
) -> "Shared":
    """Get to know the store that hosts share; ConfigError or StoreError where that can't be."""
    from .scales import FOLLOWED, file_clock
    from .shared import Hold, Shared  # of the extra `redis`, and large
    from .stores.reaching import SharedStoreError
    from .stores.redis import RedisStore

    asks = config.answer or any(isinstance(s, WhosonSettings) for s in config.source)
    hold = Hold.EVERYTHING if config.map else Hold.ASKED if asks else Hold.NOTHING
    shared = Shared(settings, authorizer, RedisStore(settings), hold=hold)
    position = store.positions().get(FOLLOWED)
    try:
        await shared.meet(position)
    except SharedStoreError as error:
        raise ConfigError(str(error), error.setting) from error
    before = file_clock(store, authorizer.policy.longest_life).now()
    ahead = before - authorizer.clock.now()
    if position is None and ahead > settings.max_skew:
        # Its logins would lie in the others' future: they would earn nothing until then.
        raise ConfigError(
            f"the times in this file are {ahead:.0f} s ahead of the shared store's, because this"
            " host's clock was wrong. 'poplock store copy PATH shared' moves its grants over with"
            " their times set right; then move the file away and start anew",
            "store.path",
        )
    return shared


class Daemon:
    """`poplock run`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._authorizer = make_authorizer(config)
        self._intakes: list[Intake] = []
        self._publishers: list[Publisher] = []
        self._started = self._authorizer.clock.wall()
        self._tasks: list[asyncio.Task[None]] = []
        self._permits = PermitLog(self._authorizer, logged=config.log.permits)
        self._shared: Shared | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set. Raises StoreError, ConfigError or MapError at start only."""
        config, authorizer = self._config, self._authorizer
        store = SqliteStore(Path(config.store.path), write=True)
        async with AsyncExitStack() as exits:
            exits.callback(store.close)
            if config.shared is not None:
                self._shared = await meet_shared(config.shared, authorizer, store, config)
                exits.push_async_callback(self._shared.close)
                self._spawn("the shared store", self._shared.run)
            positions = authorizer.load(store)
            self._keeper = Keeper(authorizer, store, config.store.history / 86_400)
            exits.push_async_callback(self._keeper.close)
            await self._start_maps(exits)
            self._listeners = Listeners(authorizer, exits, self._spawn)
            for number, answer in enumerate(config.answer):
                await self._listeners.answer(
                    answer, f"answer[{number}]", with_sender=config.policy.match_sender
                )
            await self._start_control(exits, store)
            await self._start_sources(positions)
            exits.push_async_callback(self._cancel)
            self._spawn("store", self._keeper.run)
            self._spawn("clockwork", self._tick)
            log.info("poplock %s is ready: %d grants", __version__, authorizer.table.count)
            notify("READY=1", f"STATUS=Answering; {authorizer.table.count} grants")
            await stop.wait()
            log.info("stopping")
            notify("STOPPING=1")

    async def _start_maps(self, exits: AsyncExitStack) -> None:
        for settings in self._config.map:
            clock = self._authorizer.clock
            publisher = Publisher(
                self._authorizer,
                make_map(settings, clock),
                make_lease(settings, clock),
                settings.path,
            )
            exits.push_async_callback(self._close_map, publisher)
            await publisher.start()
            self._publishers.append(publisher)
            self._spawn(f"map {settings.path}", publisher.run)

    @staticmethod
    async def _close_map(publisher: Publisher) -> None:
        try:
            await publisher.close()
        except MapError as error:
            log.error("%s; grants may still stand in it", error)

    async def _start_control(self, exits: AsyncExitStack, store: SqliteStore) -> None:
        control = self._config.control
        server = ControlServer(self._obey)
        try:
            sock = open_listener(
                Listen("unix", control.path), group=control.group, mode=control.mode
            )
        except ConfigError as error:
            raise ConfigError(str(error), "control.path") from error
        await server.start(sock)
        exits.push_async_callback(server.close)
        # History is read over a connection of its own, beside the thread that commits.
        reader = SqliteStore(store.path, write=False)
        exits.callback(reader.close)
        self._office = Office(self._authorizer, reader)

    async def _start_sources(self, positions: dict[str, str]) -> None:
        authorizer, keeper = self._authorizer, self._keeper
        lent = Lent(
            authorizer.clock,
            authorizer.record,
            asked=lambda: authorizer.counts.asked,
            kept=self._kept,
            kept_soon=partial(self._kept, urgent=False),
            ready=keeper.not_far_behind,
            own=self._config.own_dialects(),
        )
        for number, settings in enumerate(self._config.source):
            title = settings.title
            intake = Intake(title, authorizer.policy.rules_of(title).window, lent)
            self._intakes.append(intake)
            if isinstance(settings, ListeningSettings):
                await self._listeners.source(settings, intake, f"source[{number}]")
            else:
                source = make_source(settings, intake)
                self._spawn(title, partial(source.run, positions.get(title)))

    async def _kept(self, urgent: bool = True) -> None:
        """On disk, and where the shared store can be reached, there too."""
        kept = self._keeper.kept(urgent=urgent)
        if self._shared is None:
            await kept
        else:
            await asyncio.gather(kept, self._shared.told_if_linked())

    def _spawn(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        self._tasks.append(asyncio.create_task(_supervise(name, run), name=name))

    async def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._permits.write()
        self._permits.keep()

    async def _obey(self, request: Request) -> Iterable[Row]:
        """Do what an operator says; confirmed once it is on disk and in the maps."""
        office, shared, before = self._office, self._shared, None
        match request:
            case Check(ip, sender):
                answer = None if shared is None else await shared.ask(Query(ip, sender))
                return [office.check(ip, sender, answer)]
            case List():
                return office.list(None if shared is None else await shared.rights())
            case Status():
                return [self._status()]
            case History(ip, user, since, limit):
                await self._keeper.kept()
                return office.history(ip, user, since, limit)
            case Watch(after, grants, deeds):
                latest = await office.latest(grants)
                news = office.follow(after, deeds, self._permits.latest(deeds))
                return [{"status": self._status(), "grants": latest} | news]
            case Grant(ip, user, seconds):
                rows = [office.grant(ip, user, seconds)]
            case Revoke(ip, user):
                before = None if shared is None else shared.revocations()
                rows = list(office.revoke(ip, user))
            case WriteMaps():
                for publisher in self._publishers:
                    await publisher.rewrite()
                return []
        await self._keeper.kept()
        if shared is not None:
            await shared.told()
        for publisher in self._publishers:
            await publisher.shown()
        if shared is not None and isinstance(request, Revoke):
            network = None if request.ip is None else office.network(request.ip)
            try:
                rows = list(office.list(await shared.rights(network, request.user, before)))
            except StoreError as error:
                raise StoreError(
                    f"it is revoked on all hosts, but whose grants that were can't be read: {error}"
                ) from error
        return rows

    def _status(self) -> Row:
        authorizer = self._authorizer
        counts = authorizer.counts
        troubles = [
            *([authorizer.trouble] if authorizer.trouble else []),
            *(self._shared.troubles() if self._shared else []),
            *(p.trouble for p in self._publishers if p.trouble),
            *(i.health.trouble for i in self._intakes if i.health.trouble),
        ]
        return {
            "health": "ok" if not troubles else "trouble",
            "troubles": troubles,
            "version": __version__,
            "pid": os.getpid(),
            "started_at": stamp(self._started),
            "grants": authorizer.table.count,
            "counts": {name: getattr(counts, name) for name in counts.__slots__},
            "sources": [_source_row(intake) for intake in self._intakes],
            "answers": self._listeners.rows(),
            "maps": [
                {"path": p.title, "published": p.published, "trouble": p.trouble}
                for p in self._publishers
            ],
            "store": {"path": self._config.store.path, "commits": self._keeper.commits},
            "shared": None if self._shared is None else self._shared.row(),
        }

    async def _tick(self) -> None:
        """What has to happen now and then."""
        loop = asyncio.get_running_loop()
        watchdog = watchdog_seconds()
        kept = looked = fed = loop.time()
        while True:
            await asyncio.sleep(_TICK)
            now = loop.time()
            self._authorizer.sweep()
            if self._shared is not None:
                self._shared.sweep()
            self._listeners.sweep()
            await self._permits.write()
            if now - kept >= _PERMITS_KEPT:
                kept = now
                self._permits.keep()
            if self._config.policy.never_own and now - looked >= _OWN_AGAIN:
                looked = now
                self._authorizer.policy.set_own_addresses(own_addresses())
            if watchdog is not None and now - fed >= watchdog / 3:
                fed = now
                notify("WATCHDOG=1", f"STATUS=Answering; {self._authorizer.table.count} grants")


def _source_row(intake: Intake) -> Row:
    health = intake.health
    row: Row = {"source": intake.title}
    row |= {name: getattr(health, name) for name in health.__slots__}
    row["last_login"] = None if health.last_login is None else stamp(health.last_login)
    return row


async def _supervise(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Run a part; after a bug in it, log that and run it again."""
    while True:
        try:
            await run()
            return
        except (ConfigError, StoreError, MapError) as error:
            log.error("%s: %s", name, error)
        except Exception:
            log.exception("%s failed by a bug and is started again", name)
        await asyncio.sleep(1.0)
