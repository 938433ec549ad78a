"""Keeps the maps that MTAs read by themselves in step with the table.

Changes are collected in the event loop, which costs little; files are written by one thread, which
also takes over a whole table when that is wanted: a hundred thousand grants take seconds. A burst
of changes becomes one file: at most one each `PACE`. A map that can't be written is tried
again each second, and the old file stays as it was, until its lease ends: the lease is prolonged
only by a daemon whose map is as it should be. While the store can't be asked, maps are empty: an
MTA that reads them can't be told "unavailable".
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

from .authorizer import Authorizer
from .core.addresses import Network
from .core.errors import MapError
from .core.grants import Grant
from .core.table import Change
from .maps import Map, empty
from .maps.lease import Lease
from .waiters import Waiters

log = logging.getLogger(__name__)

T = TypeVar("T")

PACE = 0.05  # seconds between two publications; a change is to be visible within 0.1
RETRY = 1.0  # seconds
RENEW = 20.0  # seconds between two renewals of what would otherwise lapse; a third of a lease


class Publisher:
    """One map, its file and its lease."""

    def __init__(self, authorizer: Authorizer, map_: Map, lease: Lease, title: str) -> None:
        self.title = title
        self.trouble: str | None = None
        self.published = 0
        self._authorizer = authorizer
        self._map = map_
        self._lease = lease
        self._wanted = asyncio.Event()
        self._waiters = Waiters(self._wanted)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="map")
        self._anew = True  # the whole table is to be taken over
        self._later: dict[Network, Grant | None] | None = None  # what changes meanwhile

    async def start(self) -> None:
        """Write the map as the table is now; MapError if that can't be."""
        self._authorizer.subscribe(self._changed)
        self._authorizer.on_trouble(self._trouble_changed)
        await self._publish()

    async def run(self) -> None:
        """Publish changes until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RENEW):
                    await self._wanted.wait()
            self._wanted.clear()
            started = time.monotonic()
            try:
                with self._waiters.round():
                    await self._publish()
            except MapError as error:
                if self.trouble != str(error):
                    log.error("%s; the old map stays until it works again", error)
                self.trouble = str(error)
                await asyncio.sleep(RETRY)
                self._wanted.set()
            else:
                self.trouble = None
                await asyncio.sleep(max(PACE - (time.monotonic() - started), 0))

    async def rewrite(self) -> None:
        """Write everything anew, with what an operator has changed in rules of his own."""
        self._anew = True
        await self.shown()

    async def shown(self) -> None:
        """Return when the changes until now are in the file; MapError if they can't be."""
        await self._waiters.done()

    async def close(self) -> None:
        """Take all grants out of the file: nobody would renew it."""
        await self._in_thread(partial(empty, self._map, self._lease))
        self._thread.shutdown()

    def _changed(self, changes: Iterable[Change]) -> None:
        if not self._authorizer.sure:
            return
        table, now = self._authorizer.seen, self._authorizer.clock.now()
        networks = dict.fromkeys(change.key.network for change in changes)
        best = [(network, table.best(network, now)) for network in networks]
        if self._later is None:
            self._map.update(best)
        else:
            self._later.update(best)
        self._wanted.set()

    def _trouble_changed(self) -> None:
        self._anew = True
        self._wanted.set()

    async def _take_over(self) -> None:
        """Have the map hold what may be said now."""
        authorizer = self._authorizer
        grants: list[Grant] = []
        if authorizer.sure:
            grants = list(authorizer.seen.longest(authorizer.clock.now()))
        self._anew, self._later = False, {}
        try:
            await self._in_thread(partial(self._map.replace_all, grants))
        except MapError:
            self._anew = True
            raise
        finally:
            later, self._later = self._later, None
            self._map.update(later.items())

    async def _publish(self) -> None:
        """Write what has changed, and with it prolong the lease."""
        if self._anew or self._lease.lapsed:
            await self._take_over()
        await self._in_thread(self._write)
        self.published += 1

    def _write(self) -> None:
        self._map.renew()
        with self._lease.renewal():
            self._map.publish()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
