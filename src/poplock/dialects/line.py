"""How log lines begin: the stamp, and the host and program tag where a syslog daemon wrote them.

A `Form` is one way. Known to all dialects:

- `SYSLOG`: what syslog daemons write to files
      RFC 3164        Nov 24 10:00:00 mx imapd[123]: TEXT       (with or without the [pid])
      RFC 3339        2026-11-24T10:00:00.123456+01:00 mx imapd[123]: TEXT
      ISO with blank  2026-11-24 10:00:00,123 mx imapd[123]: TEXT
      RFC 5424        <22>1 2026-11-24T10:00:00Z mx imapd 123 - - TEXT
- `OWN`: a program's own log, any of the first three stamps, a blank and the text
- `TAI64N` and `TAI64N_TAG`: multilog's, `@4000000065a1b2c3075bcd15 TEXT`, without and with a tag

A server whose log begins otherwise has a Form of its own beside its rules.

A stamp without a zone is local time; one without a year is the latest such moment that is not in
the future. In the hour that a clock change repeats there are two: while following a log live, the
later one is meant; while catching up it can't be known, and the earlier one is taken, so that no
right is ever given a later end than it earned.
"""

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

LONGEST = 65_536
"""Bytes of a line: what `wire.lines` cuts a file's lines at."""

Read = Callable[[bytes, float, bool], float | None]
"""From a stamp, the present wall-clock time and whether the log is followed live, to its moment.

None or ValueError where it names none.
"""

STAMP = rb"(?P<stamp>[A-Z\d<].{14}[!-~]{0,27}+) "
"""What is as long as a stamp: of the lines that are found, `read_stamp` reads it exactly. All kinds
have one shape here, since to choose between shapes would cost a tenth of the time."""
_HOST = rb"(?P<host>[!-~]{1,255}+) "
_TAG = rb"(?P<tag>)"
_PID = rb"(?:\[(?P<pid>\d{1,10})\])?: "
# RFC 5424: process id, message id, structured data, and perhaps a byte order mark before the text.
# In an element's quotes anything may stand, outside of them no bracket but its last.
_VALUE = rb'"[^"\\\n]*+(?:\\["\\\]][^"\\\n]*+){0,4096}"'
_ELEMENT = rb'\[[^ "\]\\\n]{1,32}(?: [^ =\]"\n]{1,32}=' + _VALUE + rb"){0,64}\]"
_5424 = (
    rb" (?:(?P<procid>\d{1,10})|[!-~]{1,128}) [!-~]{1,32}+ (?:-|(?:"
    + _ELEMENT
    + rb"){1,32})  ?(?:\xef\xbb\xbf)?"
)

_EXACTLY = re.compile(
    rb"[A-Z][a-z]{2} [ 0-3]\d \d\d:\d\d:\d\d"
    rb"|(?:<\d{1,3}>1 )?"
    rb"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(Z|[+-]\d\d:?\d\d)?)"
)
_TAI = re.compile(rb"4[0-9a-f]{15}[0-9a-f]{8}")
_CLEAN_HOST = re.compile(rb"[0-9A-Za-z._:%-]{0,254}[0-9A-Za-z._-]")
_CLEAN_TAG = re.compile(rb"[!-9;-Z\\^-~]{1,255}")  # neither blank, colon nor brackets
_CLEAN_PID = re.compile(rb"\d{0,10}")
_UNCLEAN = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_SLACK = 60.0  # seconds that a writer's clock may be ahead of ours
_MOST_CACHED = 4096  # stamps: more than an hour of seconds


def read_stamp(stamp: bytes, now: float, live: bool) -> float | None:
    """A stamp of RFC 3164, RFC 3339 or ISO, or RFC 5424's with what stands before it."""
    match = _EXACTLY.fullmatch(stamp)
    if match is None:
        return None
    if match[1] is None:
        return _without_year(stamp, now, live)
    moment = datetime.fromisoformat(match[1].decode("ascii"))
    if match[2]:
        return moment.astimezone(UTC).timestamp()
    return _choose(_moments(moment), now, live, future=True)


def read_tai64n(label: bytes, now: float, live: bool) -> float | None:
    """A TAI64N label without its @.

    TAI was 10 s ahead of UTC in 1970 and is 37 s ahead today. multilog and svlogd add 10 always,
    others (s6-log) what is true: then a label seems to be 27 s in the future when it is written.
    """
    if not _TAI.fullmatch(label) or int(label[16:], 16) >= 1_000_000_000:
        return None
    moment = int(label[1:16], 16) - 10 + int(label[16:], 16) / 1e9
    return moment - 27 if moment > now + 10 else moment


def _without_year(stamp: bytes, now: float, live: bool) -> float | None:
    month = _MONTHS.index(stamp[:3]) + 1
    day, hour, minute, second = int(stamp[4:6]), int(stamp[7:9]), int(stamp[10:12]), int(stamp[13:])
    year = time.localtime(now).tm_year
    for candidate in (year + 1, year, year - 1, year - 4, year - 8):  # 29 February
        try:
            local = datetime(candidate, month, day, hour, minute, min(second, 59))  # noqa: DTZ001
        except ValueError:
            continue
        found = _choose(_moments(local), now, live)
        if found is not None:
            return found
    return None


def _moments(local: datetime) -> list[float]:
    """The moments at which the local clock shows this: one, or two in a repeated hour."""
    return sorted({local.timestamp(), local.replace(fold=1).timestamp()})


def _choose(moments: list[float], now: float, live: bool, future: bool = False) -> float | None:
    past = [m for m in moments if m <= now + _SLACK]
    if not past:
        return moments[0] if future else None
    return past[-1] if live else past[0]


@dataclass(frozen=True)
class Form:
    """How a log begins its lines, up to the words of a rule.

    Each of `begins` is a pattern with named groups: `stamp`, which `read` turns into a moment, and
    if it has them `host` and `pid` (or what else tells connections apart; RFC 5424 calls it
    `procid`). An empty group `tag` stands for the tags of the rules.
    """

    begins: tuple[bytes, ...]
    read: Read = read_stamp


SYSLOG = Form((STAMP + _HOST + _TAG + rb"(?:" + _PID + rb"|" + _5424 + rb")",))
OWN = Form((STAMP,))
TAI64N = Form((rb"@(?P<stamp>4[0-9a-f]{23}) ",), read_tai64n)
TAI64N_TAG = Form((rb"@(?P<stamp>4[0-9a-f]{23}) " + _TAG + _PID,), read_tai64n)


class Stamps:
    """Turns the stamps of one log into seconds of the epoch; remembers the latest ones."""

    def __init__(self, read: Read = read_stamp) -> None:
        self._read = read
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
        try:
            moment = self._read(stamp, now, live)
        except (ValueError, OverflowError):
            moment = None
        self._known[stamp] = moment
        return moment


def canonical(moment: float, host: bytes, tag: bytes, pid: bytes, text: bytes) -> bytes:
    """A message that came otherwise than in a file, as a line of SYSLOG's with its newline.

    Its parts may be anything. A host, tag or process id that no syslog daemon would write makes the
    line nobody's, never somebody else's; a text is made one line, as rsyslog does it. Nothing at
    all becomes of one longer than a line may be.
    """
    if len(text) > LONGEST or not math.isfinite(moment):
        return b""
    try:
        stamp = datetime.fromtimestamp(moment, UTC).isoformat().encode()
    except (ValueError, OverflowError, OSError):
        return b""
    if not _CLEAN_TAG.fullmatch(tag) or not _CLEAN_PID.fullmatch(pid):
        tag, pid = b"?", b""
    if not _CLEAN_HOST.fullmatch(host):
        host, tag = b"?", b"?"
    where = b"[" + pid + b"]" if pid else b""
    return b"%b %b %b%b: %b\n" % (stamp, host, tag, where, _UNCLEAN.sub(_escape, text))


def _escape(byte: re.Match[bytes]) -> bytes:
    return b"#%03o" % byte[0][0]
