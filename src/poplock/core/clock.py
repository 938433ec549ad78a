"""poplock's own time, which never runs backwards.

A wall clock steps: NTP corrects it, an operator sets it, a virtual machine wakes up. A grant must
never live longer for it. So every time inside poplock is on one scale that

- runs steadily while the host is up (CLOCK_BOOTTIME, which counts suspension),
- jumps forward when the wall clock does: time that may have passed is taken as passed,
- never goes back.

While no step has happened the scale *is* the wall clock. After a step back it stays ahead;
`from_wall` and `to_wall` translate at the edges (log stamps in, what people read out).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

_NOISE = 0.25  # seconds: two clocks read one after the other, and slewing, are not a step


class Clock(Protocol):
    """Where time comes from; injected everywhere, so that a test can let an hour pass."""

    def now(self) -> float:
        """Seconds on poplock's scale."""

    def wall(self) -> float:
        """Seconds of the epoch, as the host believes now."""

    def uptime(self) -> float:
        """Seconds since boot, suspension included (what /proc/uptime shows)."""

    def boot_id(self) -> str:
        """Changes with every boot; says whether an `uptime` still means anything."""

    def resume(self, mark: "Mark", doubt: float) -> None:
        """Go on from where a former process stopped."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a scale stood: kept with the grants, so that the next process goes on from it."""

    boot_id: str
    uptime: float
    now: float


class SteadyClock:
    """The scale described above, over the three readings that `Clock` calls by these names."""

    def __init__(
        self,
        wall: Callable[[], float],
        uptime: Callable[[], float],
        boot_id: Callable[[], str],
    ) -> None:
        self.wall = wall
        self.uptime = uptime
        self.boot_id = boot_id
        self._base = wall() - uptime()

    def now(self) -> float:
        wall = self.wall()
        steady = self.uptime() + self._base
        if wall > steady:
            self._base += wall - steady
            return wall
        return steady

    def resume(self, mark: Mark, doubt: float) -> None:
        """Continue the scale of `mark`.

        Within one boot the uptime says exactly how long ago it was. After a reboot only the wall
        clock can; if that stands *before* the mark it is wrong, nobody knows how long the host
        was off, and `doubt` seconds (the longest life of a grant) are taken as passed.
        """
        uptime = self.uptime()
        if mark.boot_id == self.boot_id() and uptime >= mark.uptime:
            least = mark.now + (uptime - mark.uptime)
        elif self.wall() < mark.now - _NOISE:
            least = mark.now + doubt
        else:
            least = mark.now
        self._base = max(self._base, least - uptime)


class SystemClock(SteadyClock):
    """The host's clocks."""

    def __init__(self) -> None:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        uptime = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
        super().__init__(time.time, uptime, lambda: boot_id)


class FakeClock(SteadyClock):
    """A clock for tests: time passes when told to, and steps when told to."""

    def __init__(self, wall: float = 1_800_000_000.0, uptime: float = 1000.0) -> None:
        self._wall = wall
        self._uptime = uptime
        self._boot = "boot-1"
        super().__init__(lambda: self._wall, lambda: self._uptime, lambda: self._boot)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._wall += seconds
        self._uptime += seconds

    def step(self, seconds: float) -> None:
        """Set the wall clock forward or back; no time passes."""
        self._wall += seconds

    def reboot(self, seconds_off: float = 30.0) -> None:
        """Switch the host off and on: the uptime starts anew."""
        self._wall += seconds_off
        self._uptime = 1.0
        self._boot += "+"


def ahead_of_wall(clock: Clock) -> float:
    """How many seconds poplock's scale is ahead of the wall clock; 0 unless that stepped back."""
    difference = clock.now() - clock.wall()
    return difference if difference > _NOISE else 0.0


def from_wall(clock: Clock, stamp: float) -> float:
    """The time on poplock's scale of something that a wall clock stamped; never in the future."""
    return min(stamp + ahead_of_wall(clock), clock.now())


def to_wall(clock: Clock, moment: float) -> float:
    """What to show to people for a time on poplock's scale."""
    return moment - ahead_of_wall(clock)
