"""poplock's own time, which never runs backwards.

A wall clock steps: NTP corrects it, an operator sets it, a virtual machine wakes up. A grant must
never live longer for it. So every time inside poplock is on one scale that

- runs steadily while the host is up (CLOCK_BOOTTIME, which counts suspension),
- jumps forward when the wall clock does: time that may have passed is taken as passed,
- never goes back.

While no step has happened the scale *is* the wall clock. After a step back it stays ahead:
`ahead_of_wall` is added to log stamps as they come in, `to_wall` takes it off what people read.

Hosts that share a store share a scale too: the store's clock. Each measures how far its own wall
clock is off (`follow`), and a host that is an hour wrong grants and answers as all others do.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

_NOISE = 0.25  # seconds: two clocks read one after the other, and slewing, are not a step
_SLEW = (
    0.0005  # seconds a second that a scale gives back; no oscillator is that wrong (ntpd's limit)
)


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

    def follow(self, offset: float) -> None:
        """Take a clock that is `offset` seconds ahead of this host's as the true one."""


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
        self._offset = 0.0  # the true time less the wall clock's
        self._followed: float | None = None  # uptime at the last `follow`

    def now(self) -> float:
        true = self.wall() + self._offset
        steady = self.uptime() + self._base
        if true > steady:
            self._base += true - steady
            return true
        return steady

    def follow(self, offset: float) -> None:
        """Take a clock that is `offset` seconds ahead of the wall clock as the true one.

        The first time, before any other process's scale is resumed, the scale is set to it. Later
        it jumps forward only; what it has gained by a fast oscillator is let go of by `_SLEW`.
        """
        uptime = self.uptime()
        self._offset = offset
        true = self.wall() + offset - uptime
        if self._followed is None:
            self._base = true
        else:
            ahead = max(self._base - true, 0.0)
            self._base -= min(ahead, _SLEW * (uptime - self._followed))
        self._followed = uptime

    def resume(self, mark: Mark, doubt: float) -> None:
        """Continue the scale of `mark`.

        Within one boot the uptime says exactly how long ago it was. After a reboot only the wall
        clock can; if that stands *before* the mark it is wrong, nobody knows how long the host
        was off, and `doubt` seconds (the longest life of a grant) are taken as passed.
        """
        uptime = self.uptime()
        if mark.boot_id == self.boot_id() and uptime >= mark.uptime:
            least = mark.now + (uptime - mark.uptime)
        elif self.wall() + self._offset < mark.now - _NOISE:
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
    """How many seconds poplock's scale is ahead of the wall clock; 0 unless that stepped back.

    Negative where the wall clock is ahead of the one that hosts share.
    """
    difference = clock.now() - clock.wall()
    return difference if abs(difference) > _NOISE else 0.0


def to_wall(clock: Clock, moment: float) -> float:
    """What to show to people for a time on poplock's scale."""
    return moment - ahead_of_wall(clock)
