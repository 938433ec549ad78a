"""What a policy would have granted, had it been there: logins of old logs, at the time of the logs.

The daemon's own `Authorizer` decides, with a clock that the events drive, and without a store. From
what it says that it granted, the report is counted: by user, by network, by reason for nothing.

The memory is that of the grants which are live at one time, and of the rows of the report; those of
users and networks beyond `MOST_ROWS` are counted as one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .authorizer import Authorizer
from .core.addresses import Network
from .core.clock import Mark
from .core.events import Event, Failure, Login
from .core.grants import Grant, Key
from .core.policy import Ignore, Policy
from .core.table import Change

MOST_ROWS = 100_000
"""Users, and networks, that the report tells apart."""
OTHERS = "(others)"
SHARED = 5
"""Users of one network from which on it looks like NAT or webmail."""
_MOST_NAMES = 1000  # users told apart on one network, networks on one user
_MOST_REASONS = 1000


class LogClock:
    """Time as the logs tell it; it doesn't go back when one event is late."""

    def __init__(self) -> None:
        self._now = 0.0

    def advance(self, moment: float) -> None:
        self._now = max(self._now, moment)

    def now(self) -> float:
        return self._now

    wall = uptime = now

    def boot_id(self) -> str:
        return "log"

    def resume(self, mark: Mark, doubt: float) -> None:
        """There is nothing to go on from."""

    def follow(self, offset: float) -> None:
        """No other clock counts."""


@dataclass(slots=True)
class Row:
    """What one user earned, or what was earned in one network. Times in seconds."""

    logins: int = 0
    grants: int = 0
    granted: float = 0.0
    longest: float = 0.0
    others: set[int] = field(default_factory=set)
    """Networks of a user, users of a network, by their hashes."""

    def seen(self, other: str) -> None:
        if len(self.others) < _MOST_NAMES:
            self.others.add(hash(other))

    def add(self, seconds: float) -> None:
        """A right that lasted so long."""
        self.granted += seconds
        self.longest = max(self.longest, seconds)


@dataclass(slots=True)
class _Spell:
    """A right that is live: since when, and until when if nothing more is heard."""

    since: float
    until: float


class Replay:
    """Takes events in the order of the logs, then tells the report."""

    def __init__(self, policy: Policy) -> None:
        self.clock = LogClock()
        self._policy = policy
        self._authorizer = Authorizer(policy, self.clock)
        self._authorizer.trouble = None
        self._authorizer.subscribe(self._changed)
        self._spells: dict[Key, _Spell] = {}
        self._open: dict[Network, int] = {}  # rights that are live in a network
        self._stretch: dict[Network, _Spell] = {}  # without a gap
        self.users: dict[str, Row] = {}
        self.networks: dict[str, Row] = {}
        self.total = Row()
        self.reasons: Counter[str] = Counter()
        self.failures = self.logouts = 0
        self.first: float | None = None
        self.peak, self.peak_at = 0, 0.0

    def feed(self, event: Event) -> None:
        """Take one event."""
        before = self.clock.now()
        if self.first is None or event.time < self.first:
            self.first = event.time
        self.clock.advance(event.time)
        if int(self.clock.now()) != int(before):
            self._authorizer.sweep()
        if isinstance(event, Login):
            self._login(event)
        elif isinstance(event, Failure):
            self.failures += 1
        else:
            self.logouts += 1
        self._authorizer.record([event])
        self._authorizer.take_pending()
        if self._authorizer.table.count > self.peak:
            self.peak, self.peak_at = self._authorizer.table.count, self.clock.now()

    def _login(self, login: Login) -> None:
        """Count a login, and what it earns nothing for."""
        self.total.logins += 1
        if login.user:
            _row(self.users, login.user).logins += 1
        decision = self._policy.decide(login, self.clock.now())
        if isinstance(decision, Ignore):
            why = decision.why.replace(str(login.ip), "ADDRESS")
            if login.user:
                why = why.replace(f"user {login.user} ", "user USER ")
            if why in self.reasons or len(self.reasons) < _MOST_REASONS:
                self.reasons[why] += 1
        elif isinstance(decision, Grant):
            network = _row(self.networks, decision.network)
            network.logins += 1
            network.seen(decision.user)
            _row(self.users, decision.user).seen(decision.network)

    def _changed(self, changes: Iterable[Change]) -> None:
        """What the authorizer granted, prolonged or ended."""
        for key, grant in changes:
            spell = self._spells.get(key)
            if grant is None:
                if spell is not None:
                    self._end(key, min(spell.until, self.clock.now()))
            elif spell is not None:
                spell.until = grant.expires_at
            else:
                self._begin(key, grant)

    def _begin(self, key: Key, grant: Grant) -> None:
        spell = self._spells[key] = _Spell(grant.last_login, grant.expires_at)
        live = self._open[key.network] = self._open.get(key.network, 0) + 1
        if live == 1:
            self._stretch[key.network] = _Spell(spell.since, spell.since)
        self.total.grants += 1
        _row(self.users, key.user).grants += 1
        _row(self.networks, key.network).grants += 1

    def _end(self, key: Key, at: float) -> None:
        spell = self._spells.pop(key)
        lasted = max(at - spell.since, 0.0)
        self.total.add(lasted)
        _row(self.users, key.user).add(lasted)
        stretch = self._stretch[key.network]
        stretch.until = max(stretch.until, at)
        self._open[key.network] -= 1
        if not self._open[key.network]:
            del self._open[key.network], self._stretch[key.network]
            _row(self.networks, key.network).add(max(stretch.until - stretch.since, 0.0))

    def finish(self) -> None:
        """The logs are over.

        A right lasts as long as its last login gives it. Sessions whose end the logs don't tell
        count to the end of the logs.
        """
        now = self.clock.now()
        self._authorizer.sweep()
        for grant in list(self._authorizer.table):
            end = max(proof.until for proof in grant.proofs)
            if grant.sessions:
                end = max(end, min(grant.expires_at, now))
            if grant.key in self._spells:
                self._end(grant.key, end)

    def rows(self) -> Iterator[dict[str, object]]:
        """The report, the most granted first: total, users, networks, reasons."""
        yield {
            "row": "total",
            "logins": self.total.logins,
            "logouts": self.logouts,
            "failures": self.failures,
            "ignored": self.reasons.total(),
            **_told(self.total),
            "users": len(self.users),
            "networks": len(self.networks),
            "peak": self.peak,
            "peak_at": self.peak_at if self.peak else None,
            "first": self.first,
            "last": self.clock.now() or None,
        }
        for name, row in _sorted(self.users):
            told = {"user": name, "logins": row.logins, **_told(row)}
            yield {"row": "user", **told, "networks": len(row.others)}
        for name, row in _sorted(self.networks):
            told = {"network": name, "logins": row.logins, **_told(row)}
            users = len(row.others)
            yield {"row": "network", **told, "users": users, "shared": users >= SHARED}
        for reason, count in self.reasons.most_common():
            yield {"row": "ignored", "logins": count, "reason": reason}


def _row(rows: dict[str, Row], name: str) -> Row:
    row = rows.get(name)
    if row is None:
        if len(rows) >= MOST_ROWS:
            name = OTHERS
        row = rows.setdefault(name, Row())
    return row


def _told(row: Row) -> dict[str, object]:
    return {
        "grants": row.grants,
        "granted_seconds": round(row.granted),
        "longest_seconds": round(row.longest),
    }


def _sorted(rows: dict[str, Row]) -> list[tuple[str, Row]]:
    return sorted(rows.items(), key=lambda item: (-item[1].granted, item[0]))
