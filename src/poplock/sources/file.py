"""Learns logins from a log file, or from standard input.

Reading goes in slices, with the answers getting their turn between them. The position goes to the
store together with the grants that the lines led to, so a restart reads on where the last commit
ended.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..core.clock import Clock
from ..core.events import Event, Login, Logout
from ..dialects.scanner import Scanner
from ..wire.lines import LineCutter
from .tail import Tail
from .watch import Watch

SLICE = 4096  # bytes between two turns of the answers while MTAs ask: at most 0.3 ms of work
_QUIET = 50  # slices without a question
QUIET_SLICE = 131_072  # ... while none does: a third less work for the same log
GRACE = 5.0  # seconds that a writer may go on in a renamed file before it is told to reopen
_MOST_HELD = 100_000  # sessions of a catch-up whose end has not been seen

Record = Callable[[Sequence[Event], tuple[str, str] | None], None]


@dataclass(slots=True)
class Health:
    """How a source is, for `status`. Times by the wall clock."""

    lag_bytes: int = 0
    caught_up: bool = False
    events: int = 0
    skipped: int = 0
    last_login: float | None = None
    trouble: str | None = None


class Source(Protocol):
    """What the daemon runs and `status` shows."""

    title: str
    health: Health

    async def run(self, record: Record, position: str | None) -> None: ...


class OldSessions:
    """Holds logins back that only an open session could still make count.

    While a log is caught up, such a login's logout may stand a few lines further on. Until the end
    of the log is reached nobody knows, and a grant for the time between would be wrong.
    """

    def __init__(self, window: float) -> None:
        self._window = window
        self._held: dict[str, Login] = {}

    def __bool__(self) -> bool:
        return bool(self._held)

    def pass_on(self, events: Iterable[Event], wall: float) -> list[Event]:
        """The events that count already."""
        sure: list[Event] = []
        for event in events:
            match event:
                case Login(session=str() as session) if event.time + self._window <= wall:
                    if len(self._held) < _MOST_HELD:
                        self._held[session] = event
                case Logout(session=str() as session) if session in self._held:
                    login = self._held.pop(session)
                    if event.time + self._window > wall:
                        sure += [login, event]
                case _:
                    sure.append(event)
        return sure

    def release(self) -> list[Event]:
        """At the end of the log: these sessions are open."""
        held: list[Event] = list(self._held.values())
        self._held.clear()
        return held


class FileSource:
    """One followed log file.

    `asked` counts the questions of MTAs so far; `ready` returns when more may be read.
    """

    def __init__(
        self,
        title: str,
        path: Path,
        scanner: Scanner,
        clock: Clock,
        window: float,
        asked: Callable[[], int],
        ready: Callable[[], Awaitable[None]],
    ) -> None:
        self.title = title
        self.health = Health()
        self._path = path
        self._scanner = scanner
        self._clock = clock
        self._old = OldSessions(window)
        self._asked = asked
        self._ready = ready

    async def run(self, record: Record, position: str | None) -> None:
        """Follow until cancelled."""
        tail = Tail(self._path, position, grace=GRACE)
        try:
            async with Watch(self._path) as watch:
                while True:
                    watch.arm()
                    await self._read(tail, record)
                    await watch.wait()
        finally:
            tail.close()

    async def _read(self, tail: Tail, record: Record) -> None:
        health = self.health
        asked, quiet = self._asked(), 0
        while block := tail.read(SLICE if quiet < _QUIET else QUIET_SLICE, self._clock.uptime()):
            wall = self._clock.wall()
            events: Sequence[Event] = self._scanner.feed(block, wall, live=health.caught_up)
            if not health.caught_up:
                events = self._old.pass_on(events, wall)
            self._record(events, None if self._old else tail.position, record)
            health.lag_bytes = tail.behind
            await self._ready()
            await asyncio.sleep(0)
            before, asked = asked, self._asked()
            quiet = quiet + 1 if asked == before else 0
        if not health.caught_up:
            health.caught_up = True
            self._record(self._old.release(), tail.position, record)
        health.lag_bytes = 0
        health.skipped = tail.skipped() + self._scanner.skipped
        health.trouble = _trouble(self._path)

    def _record(self, events: Sequence[Event], position: str | None, record: Record) -> None:
        _claim(events, self.title, self.health)
        record(events, None if position is None else (self.title, position))


class StdinSource:
    """Log lines on a descriptor: a pipe from rsyslog's omprog, or a file."""

    def __init__(self, title: str, descriptor: int, scanner: Scanner, clock: Clock) -> None:
        self.title = title
        self.health = Health(caught_up=True)
        self._descriptor = descriptor
        self._scanner = scanner
        self._clock = clock

    async def run(self, record: Record, position: str | None) -> None:
        """Read until the end; there is no position to go back to."""
        cutter = LineCutter()
        loop = asyncio.get_running_loop()
        while chunk := await loop.run_in_executor(None, os.read, self._descriptor, SLICE):
            block = cutter.feed(chunk)
            if block:
                events = self._scanner.feed(block, self._clock.wall(), live=True)
                _claim(events, self.title, self.health)
                record(events, None)
            self.health.skipped = cutter.skipped + self._scanner.skipped
        self.health.trouble = "standard input has ended"


def _claim(events: Sequence[Event], title: str, health: Health) -> None:
    """Write the source's name into its events."""
    for event in events:
        event.source = title
        if isinstance(event, Login):
            health.last_login = event.time
    health.events += len(events)


def _trouble(path: Path) -> str | None:
    try:
        path.stat()
    except OSError as error:
        return f"{path}: {error.strerror}"
    return None if os.access(path, os.R_OK) else f"{path}: no permission to read"
