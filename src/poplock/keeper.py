"""Keeps the table's changes in the store, behind the answers.

One thread commits; while it does, further changes gather and go into the next commit together
(group commit). The event loop never waits for a disk. When a commit fails, its batch is put back,
every answer becomes `unavailable`, and it is tried again each second: nothing is lost, because no
source's position moves before its logins are on disk.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from .authorizer import Authorizer
from .core.errors import StoreError
from .stores import Batch, Store
from .waiters import Waiters

log = logging.getLogger(__name__)

RETRY = 1.0  # seconds between attempts while the store fails
_GROUPED = 0.05  # seconds of changes that share a commit while it isn't urgent for anybody
_MOST_PENDING = 500  # changed grants; a commit takes some 5 ms then
_HISTORY_SWEEP = 3600.0  # seconds between deletions of old history


class Keeper:
    """Moves `authorizer.pending` into the store."""

    def __init__(self, authorizer: Authorizer, store: Store, history_days: float) -> None:
        self._authorizer = authorizer
        self._store = store
        self._history = history_days * 86_400
        self._wanted = asyncio.Event()
        self._urgent = asyncio.Event()
        self._waiters = Waiters(self._wanted)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._swept = 0.0
        self.commits = 0
        authorizer.on_pending(self._wanted.set)

    async def kept(self, *, urgent: bool = True) -> None:
        """Return when all that was recorded until now is on disk; StoreError if it can't be.

        Who isn't `urgent` leaves the changes of the next moment the time to go with his.
        """
        if urgent:
            self._urgent.set()
        await self._waiters.done()

    async def not_far_behind(self) -> None:
        """Return when few changes wait for the store; never while it doesn't work.

        For sources that can be read again: what they have read would fill the memory.
        """
        while len(self._authorizer.pending.grants) > _MOST_PENDING:
            try:
                await self.kept()
            except StoreError:
                await asyncio.sleep(RETRY)

    async def run(self) -> None:
        """Commit until cancelled; the last commit is `close()`'s."""
        while True:
            await self._wanted.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(_GROUPED):
                    await self._urgent.wait()
            self._wanted.clear()
            self._urgent.clear()
            if not await self._commit():
                await asyncio.sleep(RETRY)
                self._wanted.set()

    async def _commit(self) -> bool:
        batch = self._authorizer.take_pending()
        try:
            with self._waiters.round():
                await self._in_thread(batch)
        except StoreError as error:
            self._failed(batch, error)
            return False
        self.commits += 1
        if self._authorizer.trouble is not None:
            log.warning("the store works again")
            self._authorizer.trouble = None
        return True

    async def _in_thread(self, batch: Batch) -> None:
        authorizer, store = self._authorizer, self._store
        mark = authorizer.mark()
        sweep = mark.now - self._swept > _HISTORY_SWEEP
        oldest = authorizer.oldest()
        history_from = authorizer.clock.wall() - self._history

        def write() -> None:
            store.commit(batch, mark, oldest if sweep else None)
            if sweep:
                store.forget_history(history_from)

        await asyncio.get_running_loop().run_in_executor(self._thread, write)
        if sweep:
            self._swept = mark.now

    def _failed(self, batch: Batch, error: StoreError) -> None:
        authorizer = self._authorizer
        batch.merge_later(authorizer.pending)
        authorizer.pending = batch
        if authorizer.trouble != str(error):
            log.error("%s; answering 'unavailable' until it works again", error)
        authorizer.trouble = str(error)

    async def close(self) -> None:
        """Commit what is left, and stop."""
        if not await self._commit():
            log.error("changes since the last commit are lost; logs will be read again")
        self._thread.shutdown()
