"""Whose time is whose: the scale that a host's file is on, and that of a shared store.

The daemon settles this once, at its start; those who work on stores without it ask here.
"""

import msgspec

from .core.clock import Clock, SystemClock
from .stores import Store
from .stores.redis import RedisStore

FOLLOWED = "shared"
"""The position under which a daemon keeps what it must know to start without the store: its epoch,
and how far the wall clock is off."""


class _Known(msgspec.Struct):
    offset: float


def kept_offset(store: Store) -> float | None:
    """How far the wall clock of the file's host was behind a shared store; None if it has none."""
    try:
        return msgspec.json.decode(store.positions()[FOLLOWED], type=_Known).offset
    except (KeyError, msgspec.MsgspecError):
        return None


def file_clock(store: Store, doubt: float) -> Clock:
    """The scale of a file, going on from where the last daemon left it."""
    clock = SystemClock()
    offset, mark = kept_offset(store), store.mark()
    if offset is not None:
        clock.follow(offset)
    if mark is not None:
        clock.resume(mark, doubt)
    return clock


async def measured_offset(store: RedisStore, clock: Clock) -> float:
    """How far this host's wall clock is behind the store's; SharedStoreError."""
    await store.get(store.schema_key)  # so that no connection is made while we measure
    before = clock.uptime()
    store_time = await store.time()
    return store_time + (clock.uptime() - before) / 2 - clock.wall()
