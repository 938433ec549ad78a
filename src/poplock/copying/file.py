"""A host's SQLite file as an end of a copy.

It may be copied from while its daemon runs. Only the daemon writes to it otherwise, so it is copied
to while that is stopped.
"""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from ..core.clock import Mark
from ..core.errors import StoreError
from ..core.grants import Revoked
from ..core.table import GrantTable
from ..scales import file_clock
from ..stores import Batch
from ..stores.document import Told
from ..stores.sqlite import SqliteStore
from .end import CHUNK, Chunk


class FileEnd:
    """One open file."""

    def __init__(self, path: Path, *, host: str, life: float, write: bool) -> None:
        """`host`: whose file it is; `life`: the longest life of a right."""
        if not write and not path.exists():
            raise StoreError(f"there is no store {path}")
        self.title = str(path)
        self._host = host
        try:
            self._store = SqliteStore(path, write=write)
        except StoreError as error:
            if "in use" not in str(error):
                raise
            raise StoreError(
                f"{error}, which answers from memory and would not see what is copied; stop it,"
                " copy, and start it again"
            ) from None
        self._clock = file_clock(self._store, life)
        self.base = self._clock.now() - self._clock.uptime()
        self._table = GrantTable() if write else None
        self._told = 0.0

    async def begin(self) -> None:
        # Before the grants: what changes between is told later than this says.
        mark = self._store.mark()
        self._told = self._clock.now() if mark is None else mark.now
        if self._table is not None:
            self._table = GrantTable()
            for revoked in self._store.revocations():
                self._table.revoke(revoked)
            for grant in self._store.grants():
                self._table.give(grant)

    async def size(self) -> int:
        return self._store.count()

    async def revocations(self) -> list[Revoked]:
        return list(self._store.revocations())

    async def chunks(self) -> AsyncIterator[Chunk]:
        now = self._clock.now()
        told: list[Told] = []
        steps = 0
        for grant in self._store.grants():
            steps += 1
            if grant.live_at(now):
                told.append(Told(self._host, self._told, grant))
            if steps == CHUNK:
                yield Chunk(told, [], steps)
                told, steps = [], 0
        yield Chunk(told, [], steps)

    async def revoke(self, revoked: Sequence[Revoked]) -> int:
        table, batch = self._writable, Batch()
        for each in revoked:
            if not table.knows(each):
                batch.grants.update(table.revoke(each))
                batch.revoked.append(each)
        self._commit(batch)
        return len(batch.revoked)

    async def keep(self, told: Sequence[Told]) -> int:
        table, batch = self._writable, Batch()
        for host, seq, grant in told:
            if host == self._host and seq <= self._told:
                continue  # it is ours, and we know how it went on: a session may be over
            change = table.give(grant)
            if change is not None:
                batch.grants[change.key] = change.grant
        self._commit(batch)
        return len(batch.grants)

    @property
    def _writable(self) -> GrantTable:
        if self._table is None:
            raise StoreError(f"{self.title} was opened to be read")
        return self._table

    def _commit(self, batch: Batch) -> None:
        if batch:
            clock = self._clock
            self._store.commit(batch, Mark(clock.boot_id(), clock.uptime(), clock.now()))

    async def close(self) -> None:
        self._store.close()
