"""What a source is given: where its events go, and what it may ask of the daemon.

Every event passes here, so this is where the source's name is written into it and where it is
counted.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..core.clock import Clock
from ..core.events import NOW, Event, Login
from ..dialects import load
from ..dialects.model import Dialect
from ..dialects.scanner import Scanner

Record = Callable[[Sequence[Event], tuple[str, str] | None], None]


@dataclass(slots=True)
class Health:
    """How a source is, for `status`. Times by the wall clock."""

    lag_bytes: int = 0
    caught_up: bool = False
    events: int = 0
    skipped: int = 0
    refused: int = 0
    last_login: float | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Lent:
    """What the daemon lends to all sources."""

    clock: Clock
    record: Record
    asked: Callable[[], int]
    """How many questions of MTAs there were so far."""
    kept: Callable[[], Awaitable[None]]
    """Returns when all that was recorded is on disk; StoreError if it can't be."""
    kept_soon: Callable[[], Awaitable[None]]
    """The same without haste: others' changes may go into the same commit."""
    ready: Callable[[], Awaitable[None]]
    """Returns when little waits for the disk; for sources that can wait."""
    own: Mapping[str, Dialect] = field(default_factory=dict)
    """The configuration's own dialects."""


class Intake:
    """One source's way in."""

    def __init__(self, title: str, window: float, lent: Lent) -> None:
        self.title = title
        self.window = window
        self.clock = lent.clock
        self.asked = lent.asked
        self.kept = lent.kept
        self.kept_soon = lent.kept_soon
        self.ready = lent.ready
        self.health = Health()
        self._record = lent.record
        self._own = lent.own

    def scanner(self, dialects: Iterable[str]) -> Scanner:
        """What reads with these dialects, the configuration's own among them."""
        return Scanner(load(dialects, self._own))

    def take(self, events: Sequence[Event], position: str | None = None) -> None:
        """Record events, and with them how far the source was read."""
        for event in events:
            event.source = self.title
            if isinstance(event, Login):
                at = event.time
                self.health.last_login = self.clock.wall() if at == NOW else at
        self.health.events += len(events)
        self._record(events, None if position is None else (self.title, position))
