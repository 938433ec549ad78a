"""The prefix of a log line: its time, host and program tag.

Known forms:

- RFC 3164 as syslog daemons write it to files: `Nov 24 10:00:00 mx imapd[123]: `
- RFC 3339 (rsyslog's default): `2026-11-24T10:00:00.123456+01:00 mx imapd[123]: `
- a program's own log file, without host and tag: `Nov 24 10:00:00 imap-login: Info: `

An RFC 3164 stamp has neither year nor zone. It is read as local time and as the latest moment that
is not in the future. In the hour that a clock change repeats there are two such moments: while
following a log live, the later one is meant; while catching up it can't be known, and the earlier
one is taken, so that no right is ever given a later end than it earned.
"""

import re
import time
from datetime import UTC, datetime

STAMP = rb"(?:[A-Z].{14}|\d{4}-[!-~]{15,27}+)"
"""What is as long as a stamp: of the lines that are found, `Stamps` reads it exactly."""
HOST = rb"[!-~]{1,255}+ "
PID = rb"(?:\[\d{1,10}\])?: "

_EXACTLY = re.compile(
    rb"[A-Z][a-z]{2} [ 0-3]\d \d\d:\d\d:\d\d"
    rb"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)"
)
_MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_SLACK = 60.0  # seconds that a writer's clock may be ahead of ours
_MOST_CACHED = 4096  # stamps: more than an hour of seconds


class Stamps:
    """Turns the stamps of one log into seconds of the epoch; remembers the latest ones."""

    def __init__(self) -> None:
        self._known: dict[bytes, float | None] = {}
        self._known_at = (0.0, False)

    def read(self, stamp: bytes, now: float, live: bool) -> float | None:
        """The wall-clock time of a stamp; None where it names no moment."""
        # What a stamp without year and zone means depends on now; an hour changes nothing, but
        # an hour of a repeated hour does, so the memory is short.
        if live != self._known_at[1] or not 0 <= now - self._known_at[0] < 60:
            self._known.clear()
            self._known_at = (now, live)
        try:
            return self._known[stamp]
        except KeyError:
            pass
        if len(self._known) >= _MOST_CACHED:
            self._known.clear()
        if _EXACTLY.fullmatch(stamp) is None:
            return None
        try:
            moment = _absolute(stamp) if stamp[:1].isdigit() else _local(stamp, now, live)
        except (ValueError, OverflowError):
            moment = None
        self._known[stamp] = moment
        return moment


def _absolute(stamp: bytes) -> float:
    return datetime.fromisoformat(stamp.decode("ascii")).astimezone(UTC).timestamp()


def _local(stamp: bytes, now: float, live: bool) -> float | None:
    month = _MONTHS.index(stamp[:3]) + 1
    day, hour, minute, second = int(stamp[4:6]), int(stamp[7:9]), int(stamp[10:12]), int(stamp[13:])
    year = time.localtime(now).tm_year
    for candidate in (year + 1, year, year - 1, year - 4, year - 8):  # 29 February
        moments = _moments(candidate, month, day, hour, minute, second)
        past = [m for m in moments if m <= now + _SLACK]
        if past:
            return past[-1] if live else past[0]
    return None


def _moments(year: int, month: int, day: int, hour: int, minute: int, second: int) -> list[float]:
    """The moments at which the local clock shows this: one, or two in a repeated hour."""
    try:
        base = datetime(year, month, day, hour, minute, min(second, 59))  # noqa: DTZ001
    except ValueError:
        return []
    return sorted({base.timestamp(), base.replace(fold=1).timestamp()})
