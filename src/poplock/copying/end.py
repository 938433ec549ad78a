"""What a store must be able to do to be copied from or to."""

import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from ..core.grants import Grant, Proof, Revoked, Session
from ..stores.document import Told

CHUNK = 500  # grants that are read, and kept, in one go

_NOISE = 0.25  # seconds: scales that differ by less are the same, read one after the other


class Chunk(NamedTuple):
    """Some of what is live in a store."""

    told: list[Told]
    revoked: list[Revoked]
    """What was taken back of their networks alone."""
    steps: int
    """How far this goes towards `size()`."""


class End(Protocol):
    """One end of a copy; every method may raise StoreError."""

    title: str
    base: float
    """What its clock shows, less the time that this host is up."""

    async def begin(self) -> None:
        """A pass begins: forget what is remembered of the store, and look again."""

    async def size(self) -> int:
        """About how many steps its chunks have."""

    async def revocations(self) -> list[Revoked]:
        """Those that may still meet a right."""

    def chunks(self) -> AsyncIterator[Chunk]:
        """All that is live, less what was taken back."""

    async def revoke(self, revoked: Sequence[Revoked]) -> int:
        """Take these back here as well; how many were not known."""

    async def keep(self, told: Sequence[Told]) -> int:
        """Give the store what it lacks of these; how many grants that were."""

    async def close(self) -> None: ...


def apart(source: End, target: End) -> float:
    """What is added to the source's times so that they mean the same in the target.

    Whole seconds, rounded towards the past: twice the same, and no right lives longer for it.
    """
    difference = target.base - source.base
    return 0.0 if abs(difference) <= _NOISE else float(math.floor(difference))


def moved(told: Told, by: float) -> Told:
    """The same on another scale."""
    g = told.grant
    grant = Grant(
        g.network,
        g.user,
        g.source,
        g.client,
        g.granted_at + by,
        g.last_login + by,
        g.until + by,
        tuple(Proof(p.login + by, p.until + by) for p in g.older),
        tuple(Session(s.id, s.login + by, s.limit + by) for s in g.sessions),
    )
    return Told(told.host, told.seq + by, grant)


def revoked_at(revoked: Sequence[Revoked], by: float) -> list[Revoked]:
    """The same on another scale."""
    return [replace(each, at=each.at + by) for each in revoked]
