"""What operators ask and order: check, list, status, grant, revoke, history.

The daemon serves these over its control socket; without a daemon the command line does the same
on the store. Results are plain dictionaries with the keys of `--json`.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from heapq import nlargest

from .authorizer import Authorizer
from .core.addresses import Network, parse_ip, parse_network
from .core.answers import Answer, NoOpinion, Permit, Query, Unavailable
from .core.clock import to_wall
from .core.errors import PoplockError
from .core.grants import Grant
from .stores import Deed, Store

Row = dict[str, object]

_AT_ONCE = 2000  # grants, about 0.2 ms of work between two turns of the answers

_PAST = {
    "expired": "expired",
    "revoked": "was revoked",
    "released": "ended when its address was given back",
}


class Office:
    """Verbs over one Authorizer and its store."""

    def __init__(self, authorizer: Authorizer, store: Store) -> None:
        self._authorizer = authorizer
        self._store = store

    def check(self, ip: str, sender: str | None = None, answer: Answer | None = None) -> Row:
        """Permit or not, and why; `answer` is that of a shared store, where there is one.

        PoplockError for what is no address.
        """
        authorizer = self._authorizer
        network = authorizer.network(ip)
        if network is None:
            raise PoplockError(f"{ip!r} is no IP address")
        row: Row = {"ip": str(parse_ip(ip)), "network": network}
        match answer or authorizer.decide(Query(ip, sender)):
            case Permit(grant):
                row |= {"answer": "permit", "why": self._why(grant), "grant": self.row(grant)}
            case NoOpinion(why):
                row |= {"answer": "none", "why": self._why_not(ip, network, why), "grant": None}
            case Unavailable(reason):
                row |= {"answer": "unavailable", "why": reason, "grant": None}
        return row

    def _why(self, grant: Grant) -> str:
        login = self._time(grant.last_login)
        until = self._time(grant.expires_at)
        return f"{grant.user} logged in from {grant.address} at {login}; relaying until {until}"

    def _why_not(self, ip: str, network: Network, why: str) -> str:
        never = self._authorizer.policy.why_never(parse_ip(ip))
        if never is not None:
            return never
        for grant in self._authorizer.table.find(network):  # ended, and not yet swept
            if why.startswith("no grant"):
                return f"the grant of {grant.user} ended at {self._time(grant.expires_at)}"
        deeds = self._store.history(network, None, None, 1)
        if not why.startswith("no grant"):
            return why
        if not deeds and self._authorizer.outbox is not None:
            return f"{why} at any host; this one's history knows of none either"
        if not deeds:
            return f"nobody has logged in from {network}"
        deed = deeds[-1]
        past = _PAST.get(deed.what)
        if past is None:
            return why
        return f"the grant of {deed.user} for {network} {past} at {stamp(deed.at)}"

    def list(self, grants: Iterable[Grant] | None = None) -> Iterator[Row]:
        """Live grants, by network and user: the table's, or these."""
        now = self._authorizer.clock.now()
        among = self._authorizer.table if grants is None else grants
        return map(self.row, sorted([g for g in among if g.live_at(now)], key=lambda g: g.key))

    def grant(self, ip: str, user: str, seconds: float) -> Row:
        """Give a right by hand."""
        longest = self._authorizer.policy.longest_life
        if self._authorizer.outbox is None:
            longest = 366 * 86_400
        if not 0 < seconds <= longest:
            raise PoplockError(
                "a grant by hand lasts from a second to a year; where hosts share a store, to"
                " policy.max_session and policy.window together, as long as a revocation is known"
            )
        if not user or len(user) > 255 or not user.isprintable():
            raise PoplockError(f"{user[:80]!r} can't be a user's name")
        network = self.network(ip)
        address = ip.partition("/")[0]
        return self.row(self._authorizer.grant(network, address, user, seconds))

    def revoke(self, ip: str | None, user: str | None) -> Sequence[Row]:
        """Take back; returns the grants that were live. Both None: all of them."""
        network = None if ip is None else self.network(ip)
        return [self.row(g) for g in self._authorizer.revoke(network, user)]

    def history(
        self, ip: str | None, user: str | None, since: float | None, limit: int
    ) -> Iterator[Row]:
        """Deeds, oldest first."""
        network = None if ip is None else self.network(ip)
        return map(_deed_row, self._store.history(network, user, since, limit))

    async def latest(self, most: int) -> Sequence[Row]:
        """The live grants with the latest logins, the latest first.

        Where hosts share a store, its word counts for the networks that are remembered of it;
        this host's own logins come besides. In slices: answers are not to wait while a hundred
        thousand grants are looked at.
        """
        authorizer = self._authorizer
        now = authorizer.clock.now()
        held = authorizer.seen.held()
        if authorizer.seen is not authorizer.table:
            held += authorizer.table.held_besides(authorizer.seen)
        best: list[Grant] = []
        least = float("-inf") if most else float("inf")
        for start in range(0, len(held), _AT_ONCE):
            for one in held[start : start + _AT_ONCE]:
                for grant in (one,) if isinstance(one, Grant) else one:
                    if grant.last_login > least and grant.live_at(now):
                        best.append(grant)
            if len(best) > most:
                best = nlargest(most, best, key=lambda g: g.last_login)
                least = best[-1].last_login
            await asyncio.sleep(0)
        return [self.row(g) for g in sorted(best, key=lambda g: g.last_login, reverse=True)]

    def follow(self, after: int | None, limit: int, uses: Iterable[Deed]) -> Row:
        """What came into the history after a place in it, the place to go on from, and beside
        that the uses which are still being summed up: `at` is null there."""
        deeds, reached = self._store.follow(after, limit)
        return {
            "deeds": [_deed_row(deed) for deed in deeds],
            "after": reached,
            "uses": [_deed_row(use) | {"at": None} for use in uses],
        }

    def row(self, grant: Grant) -> Row:
        """A grant as `list --json` prints it."""
        return {
            "network": grant.network,
            "user": grant.user,
            "granted_at": self._time(grant.granted_at),
            "last_login": self._time(grant.last_login),
            "expires_at": self._time(grant.expires_at),
            "sessions": len(grant.sessions),
            "source": grant.source,
        }

    def network(self, text: str) -> Network:
        """What an operator typed; PoplockError where that is no address or network."""
        try:
            return parse_network(text, self._authorizer.policy.rules.ipv6_prefix)
        except ValueError as error:
            raise PoplockError(f"{text!r} is no IP address or network: {error}") from None

    def _time(self, moment: float) -> str:
        return stamp(to_wall(self._authorizer.clock, moment))


def _deed_row(deed: Deed) -> Row:
    return {
        "at": stamp(deed.at),
        "event": deed.what,
        "network": deed.network,
        "user": deed.user,
        "source": deed.source,
        "address": deed.address,
        "count": deed.count,
        "until": None if deed.until is None else stamp(deed.until),
    }


def stamp(wall: float) -> str:
    """RFC 3339, UTC, whole seconds."""
    return datetime.fromtimestamp(int(wall), UTC).isoformat().replace("+00:00", "Z")
