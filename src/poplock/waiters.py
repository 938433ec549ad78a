"""Those who wait until what was recorded before they came is somewhere: on disk, in a map, told.

One task does such work for all, round by round. Who comes while a round is under way may have
recorded what isn't in it any more, and waits for the next.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy

from .core.errors import PoplockError


class Waiters:
    """Who waits for the next round; `wanted` wakes the task that begins it."""

    def __init__(self, wanted: asyncio.Event) -> None:
        self._wanted = wanted
        self._waiting: list[asyncio.Future[None]] = []

    async def done(self) -> None:
        """Return when a round that begins from now on is done; raise what it failed with."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self._wanted.set()
        await done

    @contextmanager
    def round(self) -> Iterator[None]:
        """Around the work: all who wait as it begins are told how it went."""
        waiting, self._waiting = self._waiting, []
        try:
            yield
        except Exception as error:  # a bug, too: nobody is to wait for what was given up
            for done in waiting:
                if not done.done():  # who waited may have gone
                    # Of his own, where it can be copied: it gets a traceback of his.
                    done.set_exception(copy(error) if isinstance(error, PoplockError) else error)
            raise
        for done in waiting:
            if not done.done():
                done.set_result(None)
