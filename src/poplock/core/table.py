"""All grants in memory: what answers are given from.

The table applies decisions, answers look-ups, and says what changed so that a store can keep it
and maps can show it. It is the one place where grants, revocations and ended sessions meet, and
it has neither clock nor disk.

A hundred thousand grants are to fit in a small host's memory, so the usual network with one grant
holds it directly and only a shared one holds a tuple; each grant stands in one expiry bucket.
"""

import heapq
from collections.abc import Iterable, Iterator
from itertools import product
from typing import NamedTuple

from .addresses import Network
from .grants import (
    REORDERED,
    Ended,
    Grant,
    Key,
    Revoked,
    after_revocation,
    merged,
    without_session,
)

_Scope = tuple[Network | None, str | None, str | None]  # network, user, source; None: every one


class Change(NamedTuple):
    """What a grant is now; None: it is gone."""

    key: Key
    grant: Grant | None


class GrantTable:
    """Grants by network, with their expiry; revocations and ended sessions beside them."""

    def __init__(self) -> None:
        self._grants: dict[Network, Grant | tuple[Grant, ...]] = {}
        self._sessions: dict[str, dict[str, Network]] = {}  # source -> session id -> network
        self._ended: dict[tuple[str, str], Ended] = {}
        self._revoked: dict[_Scope, float] = {}
        self._due: dict[int, list[Network]] = {}
        self._seconds: list[int] = []
        self.count = 0

    def __iter__(self) -> Iterator[Grant]:
        for held in self._grants.values():
            if isinstance(held, Grant):
                yield held
            else:
                yield from held

    def held(self) -> list[Grant | tuple[Grant, ...]]:
        """What each network holds just now; those that were known first come first."""
        return list(self._grants.values())

    def held_besides(self, other: "GrantTable") -> list[Grant | tuple[Grant, ...]]:
        """The same of the networks of which `other` holds nothing."""
        return [held for network, held in self._grants.items() if network not in other._grants]

    def find(self, network: Network) -> tuple[Grant, ...]:
        """Every grant of the network, live or not yet swept."""
        held = self._grants.get(network)
        if held is None:
            return ()
        return (held,) if isinstance(held, Grant) else held

    def best(self, network: Network, now: float) -> Grant | None:
        """The live grant of the network that lasts longest."""
        held = self._grants.get(network)
        if held is None:
            return None
        if isinstance(held, Grant):
            return held if held.until > now or held.expires_at > now else None
        best = max(held, key=lambda g: g.expires_at)
        return best if best.live_at(now) else None

    def longest(self, now: float) -> Iterator[Grant]:
        """Of each network, the live grant that lasts longest."""
        for network in self._grants:
            best = self.best(network, now)
            if best is not None:
                yield best

    def give(self, new: Grant) -> Change | None:
        """Merge what a login earned; None where nothing changes."""
        if self._ended and new.sessions:
            for session in new.sessions:
                ended = self._ended.get((new.source, session.id))
                if ended is not None:
                    if ended.released and session.login <= ended.at + REORDERED:
                        return None
                    new = without_session(new, ended)
        if self._revoked:
            left = after_revocation(new, self.revoked_at(*new.key))
            if left is None:
                return None
            new = left
        held = self._held(new)
        if held is not None:
            new = merged(held, new)
            if new == held:
                return None
        self._put(held, new)
        return Change(new.key, new)

    def moved(self, new: Grant) -> list[Change]:
        """A session is in one place: what an earlier login of its id still holds elsewhere is over.

        An access server gives a line another address, a process id comes again. The later login
        counts, or what was heard later of one; of the earlier one only its own window is left.
        """
        changes: list[Change] = []
        index = self._sessions.get(new.source)
        if index is None:
            return changes
        for session in new.sessions:
            network = index.get(session.id)
            for held in () if network is None else self.find(network):
                if held.source != new.source or held.key == new.key:
                    continue
                same = [s for s in held.sessions if s.id == session.id]
                if any(s.limit > session.limit for s in same):
                    new.sessions = tuple(s for s in new.sessions if s is not session)
                elif same:
                    rest = tuple(s for s in held.sessions if s.id != session.id)
                    left = held.with_proofs(held.proofs, rest)
                    self._put(held, left)
                    changes.append(Change(left.key, left))
        return changes

    def end(self, ended: Ended) -> Change | None:
        """A session is over; remembered, since its login may be told later than its end."""
        self._remember(ended)
        for held in self._holding(ended):
            left = without_session(held, ended)
            if left is not held:
                self._put(held, left)
                return Change(left.key, left)
        return None

    def release(self, ended: Ended) -> Revoked | None:
        """A session is over and its address given back: what is to be revoked for it."""
        self._remember(ended)
        for held in self._holding(ended):
            for session in held.sessions:
                if session.id == ended.session and session.login <= ended.at + REORDERED:
                    at = max(ended.at, session.login)
                    return Revoked(held.network, held.user, at, held.source)
        return None

    def sessions(self, source: str, beginning: str) -> list[str]:
        """Ids of the source's open sessions that begin so."""
        return [id_ for id_ in self._sessions.get(source, ()) if id_.startswith(beginning)]

    def _remember(self, ended: Ended) -> None:
        known = (ended.source, ended.session)
        before = self._ended.get(known)
        if before is None or ended.at > before.at:
            self._ended[known] = ended

    def _holding(self, ended: Ended) -> list[Grant]:
        """Grants that may rest on the session."""
        index = self._sessions.get(ended.source)
        network = None if index is None else index.get(ended.session)
        if network is None:
            return []
        return [grant for grant in self.find(network) if grant.source == ended.source]

    def revoke(self, revoked: Revoked) -> list[Change]:
        """Take back what was earned at `revoked.at` or before; remembered for late logins."""
        scope = (revoked.network, revoked.user, revoked.source)
        self._revoked[scope] = max(revoked.at, self._revoked.get(scope, revoked.at))
        changes = []
        for held in self.matching(*scope):
            left = after_revocation(held, revoked.at)
            if left is None:
                self.drop(held)
            elif left is not held:
                self._put(held, left)
            else:
                continue
            changes.append(Change(held.key, left))
        return changes

    def matching(
        self, network: Network | None, user: str | None, source: str | None = None
    ) -> list[Grant]:
        """Grants of the network, the user and the source; None matches all."""
        among: Iterable[Grant] = self if network is None else self.find(network)
        return [g for g in among if user in (None, g.user) and source in (None, g.source)]

    def drop(self, held: Grant) -> None:
        """Take a grant out; nothing remembers it."""
        others = tuple(g for g in self.find(held.network) if g is not held)
        self.count -= 1
        if not others:
            del self._grants[held.network]
        else:
            self._grants[held.network] = others if len(others) > 1 else others[0]
        for session in held.sessions:
            self._sessions[held.source].pop(session.id, None)

    def expire(self, now: float) -> list[Grant]:
        """Take out the grants that have ended by `now`."""
        gone = []
        while self._seconds and self._seconds[0] <= now:
            for network in self._due.pop(heapq.heappop(self._seconds), ()):
                for held in self.find(network):
                    if held.live_at(now):
                        self._schedule(held)
                    else:
                        self.drop(held)
                        gone.append(held)
        return gone

    def forget(self, oldest: float, now: float) -> None:
        """Let go of tombstones that nothing can meet any more.

        No login from before `oldest` counts, so neither does a revocation from then. An ended
        session is let go when its end proves nothing any more at `now`.
        """
        for scope in [scope for scope, at in self._revoked.items() if at < oldest]:
            del self._revoked[scope]
        past = []
        for known, ended in self._ended.items():
            if ended.until > now:
                break  # they stand in the order they came, which is nearly that of their times
            past.append(known)
        for known in past:
            del self._ended[known]

    def knows(self, revoked: Revoked) -> bool:
        """Whether a revocation says nothing new."""
        scope = (revoked.network, revoked.user, revoked.source)
        return self._revoked.get(scope, float("-inf")) >= revoked.at

    def revocations(self) -> list[Revoked]:
        return [
            Revoked(network, user, at, source)
            for (network, user, source), at in self._revoked.items()
        ]

    def revoked_at(self, network: Network, user: str, source: str) -> float:
        """When what these earn was last revoked; minus infinity if never."""
        if not self._revoked:
            return float("-inf")  # as nearly always
        scopes = product((network, None), (user, None), (source, None))
        return max(self._revoked.get(scope, float("-inf")) for scope in scopes)

    def _held(self, like: Grant) -> Grant | None:
        held = self._grants.get(like.network)
        if held is None:
            return None
        if isinstance(held, Grant):
            return held if held.user == like.user and held.source == like.source else None
        for grant in held:
            if grant.user == like.user and grant.source == like.source:
                return grant
        return None

    def _put(self, old: Grant | None, new: Grant) -> None:
        network = new.network
        if old is None:
            there = self._grants.get(network)
            self.count += 1
            self._grants[network] = new if there is None else (*self.find(network), new)
            self._schedule(new)
        else:
            there = self._grants[network]
            if isinstance(there, Grant):
                self._grants[network] = new
            else:
                self._grants[network] = tuple(new if g is old else g for g in there)
            if new.expires_at < old.expires_at:
                self._schedule(new)  # an end that moves later is found by the old bucket
        sessions = new.sessions
        old_sessions = () if old is None else old.sessions
        if sessions != old_sessions:
            index = self._sessions.get(new.source)
            if index is None:
                index = self._sessions[new.source] = {}
            for session in old_sessions:
                if session not in sessions:
                    index.pop(session.id, None)
            for session in sessions:
                index[session.id] = network

    def _schedule(self, grant: Grant) -> None:
        second = int(grant.expires_at) + 1
        networks = self._due.get(second)
        if networks is None:
            networks = self._due[second] = []
            heapq.heappush(self._seconds, second)
        networks.append(grant.network)
