"""The scale of time that hosts share: the store's clock.

Each heartbeat shows how far this host's wall clock is from it, give or take half of what the
heartbeat took; of the last few, the quickest counts.
"""

import logging
from collections import deque

from ..core.clock import Clock
from ..stores.tracking import Beat

log = logging.getLogger(__name__)

_SAMPLES = 8


class CommonTime:
    """Keeps this host's scale on the store's."""

    def __init__(self, clock: Clock, max_skew: float) -> None:
        self._clock = clock
        self._max_skew = max_skew
        self._samples: deque[tuple[float, float]] = deque(maxlen=_SAMPLES)
        self.offset = 0.0
        """Seconds that the store's clock is ahead of this host's."""
        self.trouble: str | None = None

    def follow(self, offset: float) -> None:
        """Go by a clock that is so far ahead."""
        self.offset = offset
        self._clock.follow(offset)
        skewed = abs(offset) > self._max_skew
        way = "behind" if offset > 0 else "ahead of"
        trouble = (
            f"this host's clock is {abs(offset):.0f} s {way} the shared store's, which is the one"
            " that counts; set it right (NTP)"
        )
        if skewed and self.trouble is None:
            log.error("%s", trouble)
        self.trouble = trouble if skewed else None

    def beat(self, beat: Beat) -> None:
        """A heartbeat told the time."""
        self._samples.append((beat.took, beat.store_time + beat.took / 2 - self._clock.wall()))
        self.follow(min(self._samples)[1])
