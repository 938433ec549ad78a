"""Learns logins from a log file.

Reading goes in slices, with the answers getting their turn between them. The position goes to the
store together with the grants that the lines led to, so a restart reads on where the last commit
ended. First halves of logins that are told in two lines go with it.
"""

import asyncio
import json
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..config.sources import FileSettings
from ..core.events import Event, Login, Logout
from ..dialects.scanner import Scanner
from .intake import Intake
from .tail import Tail
from .watch import Watch

log = logging.getLogger(__name__)

SLICE = 4096  # bytes between two turns of the answers while MTAs ask: at most 0.3 ms of work
_QUIET = 50  # slices without a question
QUIET_SLICE = 131_072  # ... while none does: a third less work for the same log
GRACE = 5.0  # seconds that a writer may go on in a renamed file before it is told to reopen
_MOST_HELD = 100_000  # sessions of a catch-up whose end has not been seen


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
    """One followed log file."""

    def __init__(self, intake: Intake, path: Path, scanner: Scanner) -> None:
        self.intake = intake
        self._path = path
        self._scanner = scanner
        self._old = OldSessions(intake.window)

    async def run(self, position: str | None) -> None:
        """Follow until cancelled."""
        if position is not None:
            self._scanner.pending.load(json.loads(position).get("pending", []))
        tail = Tail(self._path, position, grace=GRACE)
        if tail.lost_place:
            log.warning(
                "%s: where reading had stopped is in no file of this log any more, so all that is"
                " there is read; logins in files that are gone are lost",
                self._path,
            )
        try:
            async with Watch(self._path) as watch:
                while True:
                    watch.arm()
                    await self._read(tail)
                    await watch.wait()
        finally:
            tail.close()

    async def _read(self, tail: Tail) -> None:
        intake, health, clock = self.intake, self.intake.health, self.intake.clock
        asked, quiet = intake.asked(), 0
        while block := tail.read(SLICE if quiet < _QUIET else QUIET_SLICE, clock.uptime()):
            wall = clock.wall()
            events: Sequence[Event] = self._scanner.feed(block, wall, live=health.caught_up)
            if not health.caught_up:
                events = self._old.pass_on(events, wall)
            intake.take(events, None if self._old else self._position(tail))
            health.lag_bytes = tail.behind
            await intake.ready()
            await asyncio.sleep(0)
            before, asked = asked, intake.asked()
            quiet = quiet + 1 if asked == before else 0
        if not health.caught_up:
            health.caught_up = True
            intake.take(self._old.release(), self._position(tail))
        health.lag_bytes = 0
        health.skipped = tail.skipped() + self._scanner.skipped
        health.trouble = _trouble(self._path)

    def _position(self, tail: Tail) -> str | None:
        """The place in the file, and what the lines before it left open."""
        place, pending = tail.position, self._scanner.pending
        if place is None or not pending:
            return place
        return json.dumps(json.loads(place) | {"pending": pending.dump()})


def _trouble(path: Path) -> str | None:
    try:
        path.stat()
    except OSError as error:
        return f"{path}: {error.strerror}"
    return None if os.access(path, os.R_OK) else f"{path}: no permission to read"


def make(settings: FileSettings, intake: Intake) -> FileSource:
    """The source that `[[source]]` with `type = "file"` describes."""
    return FileSource(intake, Path(settings.path), intake.scanner(settings.dialects))
