"""A site of many hosts in a few lines: to see that the checker passes a right one and finds bugs.

Nothing of poplock is in it but the rules it follows: hosts keep what their sources told them, a
store is shared, each host has a view of it that invalidations keep true, a host that can't reach
the store goes on with what it has seen for a while. Every operation happens at one moment; its
recorded times lie around that, as far apart as they are drawn, so operations overlap.

`Bug` names what can be planted. Each is one an implementation could really have.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from .checker import Limits
from .history import Answer, History, Login, Revoke, Trouble, Word

LIMITS = Limits(revoke_within=1.0, max_staleness=10.0, skew=0.5, delivered_within=1.0)

HEARD_WITHIN = 0.9  # seconds a revocation travels, at most
_OFF = 0.2  # seconds that every other host's clock is ahead, of the rest behind
_FAR_OFF = 3600.0  # seconds that the first host's clock is behind with Bug.CLOCK


class Bug(enum.Enum):
    """What is wrong with a site."""

    INVALIDATION = "a view misses that something was taken back"
    LOST_WRITE = "nobody tells again what a failover lost"
    FORGOTTEN = "what is told again brings back what was revoked"
    NONE_IN_DOUBT = "a host that can't ask says none"
    CLOCK = "a host whose clock is an hour behind stamps logins by it"


class Held(NamedTuple):
    """A right, as hosts and the store keep it."""

    network: str
    user: str
    login: float
    until: float


class Taken(NamedTuple):
    """A tombstone."""

    network: str | None
    user: str | None
    at: float

    def meets(self, held: Held) -> bool:
        return (
            self.network in (None, held.network)
            and self.user in (None, held.user)
            and held.login <= self.at
        )


@dataclass
class Host:
    """What one host knows."""

    evidence: set[Held] = field(default_factory=set)
    taken: set[Taken] = field(default_factory=set)
    seen: dict[str, set[Held]] = field(default_factory=dict)
    cut: float | None = None  # since when
    offset: float = 0.0


class Site:
    """Hosts, a store, and time, which passes when told to."""

    def __init__(self, hosts: tuple[str, ...], bug: Bug | None = None) -> None:
        self.now = 0.0
        self.bug = bug
        self.hosts = {name: Host() for name in hosts}
        self.stored: set[Held] = set()
        self.taken: set[Taken] = set()
        self.behind: tuple[set[Held], set[Taken]] = (set(), set())  # what the replica has
        self.history = History()
        self._due: list[tuple[float, Callable[[], None]]] = []
        for number, host in enumerate(self.hosts.values()):
            host.offset = _OFF if number % 2 else -_OFF
        if bug is Bug.CLOCK:
            self.hosts[hosts[0]].offset = -_FAR_OFF

    def wait(self, seconds: float) -> None:
        """Let time pass; what is on its way arrives."""
        end = self.now + seconds
        while self._due and min(self._due, key=lambda due: due[0])[0] <= end:
            first = min(self._due, key=lambda due: due[0])
            self._due.remove(first)
            self.now = first[0]
            first[1]()
        self.now = end

    def login(self, name: str, network: str, user: str, window: float, around: float) -> None:
        host, at = self.hosts[name], self.now
        earned = Held(network, user, at + host.offset, at + host.offset + window)
        host.evidence.add(earned)
        if host.cut is None:
            self._store({earned})
        host.seen.setdefault(network, set()).add(earned)
        self._note(
            Login,
            around,
            host=name,
            network=network,
            user=user,
            window=window,
            told="acknowledged",
        )

    def revoke(
        self, name: str, network: str | None, user: str | None, around: float, heard: float
    ) -> None:
        """Others hear of it `heard` seconds later. A host that is cut off refuses to do it."""
        host = self.hosts[name]
        if host.cut is None:
            taken = Taken(network, user, self.now + host.offset)
            self.taken.add(taken)
            self.stored = {held for held in self.stored if not taken.meets(held)}
            self._hear(host, taken)
            for other in self.hosts.values():
                if other.cut is None and other is not host:
                    self._later(heard, other, taken)
        self._note(
            Revoke, around, host=name, network=network, user=user, confirmed=host.cut is None
        )

    def _later(self, seconds: float, host: Host, taken: Taken) -> None:
        def hear() -> None:
            if host.cut is None:
                self._hear(host, taken)

        self._due.append((self.now + seconds, hear))

    def _hear(self, host: Host, taken: Taken) -> None:
        host.taken.add(taken)
        host.evidence = {held for held in host.evidence if not taken.meets(held)}
        if self.bug is Bug.INVALIDATION and host is not self.hosts[min(self.hosts)]:
            return
        for network, rights in host.seen.items():
            host.seen[network] = {held for held in rights if not taken.meets(held)}

    def ask(self, name: str, network: str, around: float) -> None:
        answer = self._answer(self.hosts[name], network)
        self._note(Answer, around, host=name, network=network, answer=answer, user=None)

    def _answer(self, host: Host, network: str) -> Word:
        if host.cut is None:
            if not self._live(host.seen.get(network, set())):
                host.seen[network] = {h for h in self.stored if h.network == network}
        elif self.now - host.cut > LIMITS.max_staleness:
            return "unavailable"
        if self._live(host.seen.get(network, set())):
            return "permit"
        if host.cut is None or self.bug is Bug.NONE_IN_DOUBT:
            return "none"
        return "unavailable"

    def _live(self, rights: set[Held]) -> bool:
        return any(held.until > self.now for held in rights)

    def cut(self, name: str) -> None:
        host = self.hosts[name]
        if host.cut is None:
            host.cut = self.now

    def heal(self, name: str) -> None:
        """The link works again: the host hears what it missed, then tells what it has."""
        host = self.hosts[name]
        if host.cut is None:
            return
        self._trouble(name, host.cut, "cut")
        self._catch_up(host)

    def _trouble(self, name: str | None, since: float, kind: str) -> None:
        self.history.operations.append(
            Trouble(
                began=since,
                complete=since,
                ended=self.now,
                host=name,
                kind=kind,  # type: ignore[arg-type]
                what=f"{kind} in the simulation",
            )
        )

    def _catch_up(self, host: Host, *, again: bool = True) -> None:
        """Revocations first, in both directions; what was seen is forgotten."""
        host.cut = None
        if self.bug is not Bug.FORGOTTEN:
            for taken in host.taken - self.taken:
                self.taken.add(taken)
                self.stored = {held for held in self.stored if not taken.meets(held)}
            for taken in self.taken - host.taken:
                self._hear(host, taken)
        if self.bug is not Bug.INVALIDATION:
            host.seen.clear()
        if again:
            self._store(host.evidence)

    def _store(self, rights: set[Held]) -> None:
        forgotten = self.bug is Bug.FORGOTTEN
        self.stored |= {
            held for held in rights if forgotten or not any(t.meets(held) for t in self.taken)
        }

    def replicate(self) -> None:
        """The replica catches up."""
        self.behind = set(self.stored), set(self.taken)

    def failover(self, seconds: float) -> None:
        """The replica takes over, with what it has; nobody reaches the store meanwhile."""
        for name in self.hosts:
            self.heal(name)  # what is lost can be told again only by a host that isn't cut off
        since, hosts = self.now, self.hosts.values()
        for host in hosts:
            host.cut = since
        self.wait(seconds)
        self.stored, self.taken = set(self.behind[0]), set(self.behind[1])
        for host in hosts:  # all revocations are told before any host answers
            self._catch_up(host, again=False)
        for host in hosts:
            self._catch_up(host, again=self.bug is not Bug.LOST_WRITE)
        self._trouble(None, since, "store")

    def restart(self, name: str) -> None:
        """Killed and started again: it has its own disk."""
        self.hosts[name].seen.clear()

    def end(self) -> History:
        """The history, once everything has healed."""
        for name in self.hosts:
            self.heal(name)
        return self.history

    def _note(self, kind: type, around: float, **more: object) -> None:
        times = {"began": self.now - around, "ended": self.now + around}
        self.history.operations.append(kind(**times, **more))
