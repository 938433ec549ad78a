"""Where grants are kept: read once at start, then following the table in memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..core.clock import Mark
from ..core.grants import Grant, Key, Revoked


@dataclass(slots=True)
class Deed:
    """A line of the history: something was granted, used, revoked or has expired.

    `at` is by the wall clock of that moment, for people. `count` is how often, for `used`.
    """

    at: float
    what: str
    network: str | None
    user: str | None
    source: str | None = None
    address: str | None = None
    count: int = 1
    until: float | None = None


@dataclass(slots=True)
class Batch:
    """What has changed since the last commit; kept in one transaction."""

    grants: dict[Key, Grant | None] = field(default_factory=dict)
    revoked: list[Revoked] = field(default_factory=list)
    positions: dict[str, str] = field(default_factory=dict)
    deeds: list[Deed] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.grants or self.revoked or self.positions or self.deeds)

    def merge_later(self, later: "Batch") -> None:
        """Put what came afterwards on top."""
        self.grants |= later.grants
        self.revoked += later.revoked
        self.positions |= later.positions
        self.deeds += later.deeds


class Store(Protocol):
    """Every method may block and raises StoreError; call them outside the event loop."""

    def mark(self) -> Mark | None:
        """Where poplock's time stood at the last commit."""

    def grants(self) -> Iterable[Grant]: ...

    def revocations(self) -> Iterable[Revoked]: ...

    def positions(self) -> dict[str, str]: ...

    def commit(self, batch: Batch, mark: Mark, forget: float | None = None) -> None:
        """Keep the batch, all or nothing; let go of revocations from before `forget`."""

    def history(
        self, network: str | None, user: str | None, since: float | None, limit: int
    ) -> Sequence[Deed]:
        """The latest `limit` deeds that match, oldest first."""

    def follow(self, after: int | None, limit: int) -> tuple[Sequence[Deed], int]:
        """Up to `limit` deeds that came after a place, oldest first; and the place they reach to.

        None: the latest ones.
        """

    def forget_history(self, before: float) -> None: ...

    def close(self) -> None: ...
