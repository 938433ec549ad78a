"""Puts the parts together and keeps them going.

Order at start: store, table, maps, answers, sources; at the end the other way round, with the maps
emptied, because nobody would renew them. `READY=1` is told when answers can be had; sources may
still be catching up then. A part that fails by a bug is logged and started again; the others go on.
"""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from . import __version__
from .answers import dialogue
from .authorizer import Authorizer
from .config import Config
from .config.model import FileSource as FileSettings
from .config.model import Listen
from .config.model import SpoolSource as SpoolSettings
from .control import (
    Check,
    ControlServer,
    Grant,
    History,
    List,
    Request,
    Revoke,
    Status,
    WriteMaps,
)
from .core.clock import Clock, SystemClock
from .core.errors import ConfigError, MapError, StoreError
from .core.policy import Policy
from .dialects import load
from .dialects.scanner import Scanner
from .keeper import Keeper
from .maps import make_map
from .net.interfaces import own_addresses
from .net.listen import open_listener
from .net.sdnotify import notify, watchdog_seconds
from .net.stream import Limits, StreamServer
from .office import Office, Row, stamp
from .permits import PermitLog
from .publisher import Publisher
from .sources.file import FileSource, Source, StdinSource
from .sources.spool import SpoolSource
from .stores.sqlite import SqliteStore

log = logging.getLogger(__name__)

_TICK = 1.0  # seconds between two looks at what has expired or was permitted
_PERMITS_KEPT = 60.0  # seconds of permits that become one line of history
_OWN_AGAIN = 60.0  # seconds between two looks at the host's own addresses


def make_authorizer(config: Config, clock: Clock | None = None) -> Authorizer:
    """The policy and an empty table, as configured."""
    own = own_addresses() if config.policy.never_own else None
    policy = Policy(config.policy.rules(), own)
    return Authorizer(policy, clock or SystemClock(), match_sender=config.policy.match_sender)


class Daemon:
    """`poplock run`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._authorizer = make_authorizer(config)
        self._sources: list[Source] = []
        self._servers: list[StreamServer] = []
        self._publishers: list[Publisher] = []
        self._started = self._authorizer.clock.wall()
        self._tasks: list[asyncio.Task[None]] = []
        self._permits = PermitLog(self._authorizer, logged=config.log.permits)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set. Raises StoreError, ConfigError or MapError at start only."""
        config, authorizer = self._config, self._authorizer
        store = SqliteStore(Path(config.store.path), write=True)
        async with AsyncExitStack() as exits:
            exits.callback(store.close)
            positions = authorizer.load(store)
            self._keeper = Keeper(authorizer, store, config.store.history / 86_400)
            exits.push_async_callback(self._keeper.close)
            await self._start_maps(exits)
            await self._start_answers(exits)
            await self._start_control(exits, store)
            self._start_sources(positions)
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
            publisher = Publisher(
                self._authorizer, make_map(settings, self._authorizer.clock), settings.path
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

    async def _start_answers(self, exits: AsyncExitStack) -> None:
        for number, settings in enumerate(self._config.answer):
            name = type(settings).__struct_config__.tag
            server = StreamServer(
                settings.listen,
                partial(dialogue(str(name)), with_sender=self._config.policy.match_sender),
                self._authorizer,
                Limits(
                    settings.max_connections,
                    settings.idle_timeout,
                    settings.request_timeout,
                    settings.patience,
                ),
            )
            sock = _listener(
                Listen.read(settings.listen),
                settings.group,
                settings.mode,
                f"answer[{number}].listen",
            )
            await server.start(sock)
            exits.push_async_callback(server.close)
            self._servers.append(server)

    async def _start_control(self, exits: AsyncExitStack, store: SqliteStore) -> None:
        control = self._config.control
        server = ControlServer(self._obey)
        sock = _listener(Listen(path=control.path), control.group, control.mode, "control.path")
        await server.start(sock)
        exits.push_async_callback(server.close)
        # History is read over a connection of its own, beside the thread that commits.
        reader = SqliteStore(store.path, write=False)
        exits.callback(reader.close)
        self._office = Office(self._authorizer, reader)

    def _start_sources(self, positions: dict[str, str]) -> None:
        authorizer, window = self._authorizer, self._config.policy.window
        for settings in self._config.source:
            source: Source
            if isinstance(settings, SpoolSettings):
                source = SpoolSource(
                    settings.title,
                    Path(settings.path),
                    settings.speak_for_others,
                    self._keeper.kept,
                    authorizer.clock.wall,
                )
            else:
                scanner = Scanner(load(settings.dialects))
                clock = authorizer.clock
                if isinstance(settings, FileSettings):
                    path = Path(settings.path)
                    source = FileSource(
                        settings.title,
                        path,
                        scanner,
                        clock,
                        window,
                        asked=lambda: authorizer.counts.asked,
                        ready=self._keeper.not_far_behind,
                    )
                else:
                    source = StdinSource(settings.title, sys.stdin.fileno(), scanner, clock)
            self._sources.append(source)
            position = positions.get(source.title)
            self._spawn(source.title, partial(source.run, authorizer.record, position))

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
        office = self._office
        match request:
            case Check(ip, sender):
                return [office.check(ip, sender)]
            case List():
                return office.list()
            case Status():
                return [self._status()]
            case History(ip, user, since, limit):
                await self._keeper.kept()
                return office.history(ip, user, since, limit)
            case Grant(ip, user, seconds):
                rows = [office.grant(ip, user, seconds)]
            case Revoke(ip, user):
                rows = list(office.revoke(ip, user))
            case WriteMaps():
                for publisher in self._publishers:
                    await publisher.rewrite()
                return []
        await self._keeper.kept()
        for publisher in self._publishers:
            await publisher.shown()
        return rows

    def _status(self) -> Row:
        authorizer = self._authorizer
        counts = authorizer.counts
        troubles = [
            *([authorizer.trouble] if authorizer.trouble else []),
            *(p.trouble for p in self._publishers if p.trouble),
            *(s.health.trouble for s in self._sources if s.health.trouble),
        ]
        return {
            "health": "ok" if not troubles else "trouble",
            "troubles": troubles,
            "version": __version__,
            "pid": os.getpid(),
            "started_at": stamp(self._started),
            "grants": authorizer.table.count,
            "counts": {name: getattr(counts, name) for name in counts.__slots__},
            "sources": [
                {
                    "source": s.title,
                    "caught_up": s.health.caught_up,
                    "lag_bytes": s.health.lag_bytes,
                    "events": s.health.events,
                    "skipped": s.health.skipped,
                    "last_login": stamp(s.health.last_login) if s.health.last_login else None,
                    "trouble": s.health.trouble,
                }
                for s in self._sources
            ],
            "answers": [
                {"listen": s.name, "connections": len(s.connections), "refused": s.refused}
                for s in self._servers
            ],
            "maps": [
                {"path": p.title, "published": p.published, "trouble": p.trouble}
                for p in self._publishers
            ],
            "store": {"path": self._config.store.path, "commits": self._keeper.commits},
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
            for server in self._servers:
                server.sweep()
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


def _listener(listen: Listen, group: str | None, mode: str, where: str) -> socket.socket:
    """The socket that the configuration names at `where`."""
    try:
        return open_listener(listen, group=group, mode=mode)
    except ConfigError as error:
        raise ConfigError(str(error), where) from error


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
