"""A site whose hosts live in the test's process: what `poplock run` puts together, less sockets.

Three kinds: one host that keeps nothing (memory), one with its SQLite file, several that share a
store. Clocks are the real ones and the time that a test lets pass on top, for hosts as well as for
the store as they see it, so an hour is a line in a test.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from copy import copy
from ipaddress import ip_address
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

import msgspec

from poplock.authorizer import Authorizer
from poplock.config.shared import SharedSection
from poplock.core.addresses import Network, network_of, parse_ip
from poplock.core.answers import Answer, Elsewhere, NoOpinion, Permit, Query, Unavailable
from poplock.core.clock import Clock, SteadyClock
from poplock.core.events import Event, Login, Logout
from poplock.core.policy import Policy, Rules
from poplock.keeper import Keeper
from poplock.scales import FOLLOWED
from poplock.shared import Hold, Shared
from poplock.shared.time import CommonTime
from poplock.stores.redis import RedisStore
from poplock.stores.sqlite import SqliteStore
from poplock.stores.tracking import Beat

T = TypeVar("T")

RULES = Rules(window=3600.0, max_session=86_400.0)
SOURCES = {"log": RULES, "short": Rules(window=600.0, max_session=7200.0)}
PATIENCE = 20.0  # seconds until what has to come about must have: a busy machine is no failure

_WORDS = {Permit: "permit", NoOpinion: "none", Unavailable: "unavailable"}


class _Store(RedisStore):
    """The store, whose clock goes with the site's."""

    def __init__(self, settings: SharedSection, site: Site) -> None:
        super().__init__(settings)
        self._site = site

    async def time(self) -> float:
        return await super().time() + self._site.passed


class _Time(CommonTime):
    """The same in what heartbeats tell."""

    def __init__(self, clock: Clock, max_skew: float, site: Site) -> None:
        super().__init__(clock, max_skew)
        self._site = site

    def beat(self, beat: Beat) -> None:
        super().beat(beat._replace(store_time=beat.store_time + self._site.passed))


class Member:
    """One host."""

    def __init__(self, name: str, site: Site) -> None:
        self.name = name
        self._site = site
        self._tasks: list[asyncio.Task[None]] = []
        self.shared: Shared | None = None
        self.store: SqliteStore | None = None
        self._redis: RedisStore | None = None

    async def start(self) -> None:
        """As a daemon does it: store, shared store, table, then the rest."""
        site = self._site
        self.authorizer = authorizer = Authorizer(Policy(RULES, sources=SOURCES), site.clock())
        if site.folder is None:
            authorizer.trouble = None
            return
        self.store = store = SqliteStore(site.folder / f"{self.name}.db", write=True)
        if site.settings is not None:
            settings = msgspec.structs.replace(site.settings, host=self.name)
            self._redis = _Store(settings, site)
            self.shared = Shared(settings, authorizer, self._redis, hold=Hold.ASKED)
            self.shared.following.time = _Time(authorizer.clock, settings.max_skew, site)
            await self.shared.meet(store.positions().get(FOLLOWED))
            self._spawn(self.shared.run())
        authorizer.load(store)
        self._keeper = Keeper(authorizer, store, 30.0)
        self._spawn(self._keeper.run())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def stop(self, *, killed: bool = False) -> None:
        """End as asked, or lose what isn't kept yet."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if killed:
            self.authorizer.take_pending()  # and it is gone
        if self.store is not None:
            await self._keeper.close()
        if self.shared is not None and not killed:
            await self.shared.close()
        if self._redis is not None:
            await self._redis.reach.close()
        if self.store is not None:
            self.store.close()

    async def kept(self) -> None:
        """As a source waits before it acknowledges."""
        if self.store is not None:
            await self._keeper.kept()
        if self.shared is not None:
            await self.shared.told_if_linked()

    async def sweep(self) -> None:
        self.authorizer.sweep()
        if self.shared is not None:
            self.shared.sweep()

    async def record(self, events: Sequence[Event], position: tuple[str, str] | None) -> None:
        self.authorizer.record(events, position)
        await self.kept()

    async def revoke(self, network: Network | None, user: str | None) -> None:
        self.authorizer.revoke(network, user)
        await self.kept()
        if self.shared is not None:
            await self.shared.told()

    async def answer(self, client: str) -> Answer:
        """What an MTA is told."""
        query = Query(client)
        answer = self.authorizer.check(query)
        if not isinstance(answer, Elsewhere):
            return answer
        found: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        answer.ask(query, found.set_result)
        return await found


class Site:
    """Hosts by name, and a thread in which they run."""

    def __init__(
        self, folder: Path | None, names: Sequence[str], settings: SharedSection | None = None
    ) -> None:
        """`folder` None: nothing is kept. With `settings` the hosts share a store, under a prefix
        of this site's own that looks as if it had been there for long."""
        self.folder = folder
        self.settings = settings
        self.passed = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        if settings is not None:
            self.settings = msgspec.structs.replace(settings, prefix=f"test-{token_hex(6)}")
            self.do(self._make_schema(self.settings))
        self.hosts = {name: Member(name, self) for name in names}
        for host in self.hosts.values():
            self.do(host.start())
        self.until_all_say("none")

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *exc: object) -> None:
        for host in self.hosts.values():
            self.do(host.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @staticmethod
    async def _make_schema(settings: SharedSection) -> None:
        store = RedisStore(settings)
        await store.make_schema(token_hex(8), await store.time() - 3600)
        await store.reach.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it in the hosts' thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def clock(self) -> SteadyClock:
        def uptime() -> float:
            return time.clock_gettime(time.CLOCK_BOOTTIME) + self.passed

        return SteadyClock(lambda: time.time() + self.passed, uptime, lambda: "this boot")

    def now(self) -> float:
        return time.time() + self.passed

    def wait(self, seconds: float) -> None:
        """Let time pass; hosts look round, as they do each second."""
        self.passed += seconds
        for host in self.hosts.values():
            self.do(host.sweep())

    # What happens to a site.

    def login(
        self,
        host: str,
        client: str = "203.0.113.9",
        user: str = "ann",
        *,
        ago: float = 0.0,
        session: str | None = None,
        source: str = "log",
        position: str | None = None,
    ) -> Login:
        """Somebody logs in, or did `ago` seconds ago; acknowledged when this returns."""
        event = Login(
            self.now() - ago, ip_address(client), user, "imap", True, session, source, "test"
        )
        told = None if position is None else (source, position)
        self.do(self.hosts[host].record([copy(event)], told))
        return event

    def logout(
        self, host: str, session: str, *, source: str = "log", released: bool = False
    ) -> Logout:
        event = Logout(self.now(), None, None, "imap", None, session, source, "test", released)
        self.do(self.hosts[host].record([copy(event)], None))
        return event

    def revoke(self, host: str, client: str | None = None, user: str | None = None) -> None:
        """Confirmed when this returns."""
        network = None if client is None else network_of(parse_ip(client), 64)
        self.do(self.hosts[host].revoke(network, user))

    def restart(self, host: str, *, killed: bool = False) -> None:
        self.do(self.hosts[host].stop(killed=killed))
        self.hosts[host] = Member(host, self)
        self.do(self.hosts[host].start())

    def answer(self, host: str, client: str = "203.0.113.9") -> str:
        """permit, none or unavailable."""
        return _WORDS[type(self.do(self.hosts[host].answer(client)))]

    def answers(self, client: str = "203.0.113.9") -> set[str]:
        """What all hosts say."""
        return {self.answer(host, client) for host in self.hosts}

    def until(self, true: Callable[[], bool], what: str) -> None:
        """Until it holds; what is on its way between hosts takes a moment."""
        deadline = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < deadline, f"not within {PATIENCE:.0f} s: {what}"
            time.sleep(0.005)

    def until_all_say(self, word: str, client: str = "203.0.113.9") -> None:
        self.until(lambda: self.answers(client) == {word}, f"all say {word!r} of {client}")
