"""record(events) and check(query): the one object that sources, answers, maps and people share.

It applies events to the table at once, so that the next question is answered by them, and collects
what a store has to keep. It never waits: whoever needs certainty waits for the `Keeper`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .core.addresses import Network, client_in, parse_ip
from .core.answers import Answer, Elsewhere, NoOpinion, Permit, Query, Unavailable
from .core.clock import Clock, Mark, ahead_of_wall
from .core.events import Event, Failure, Login, Reset
from .core.grants import Ended, Grant, Revoked
from .core.policy import Policy
from .core.table import Change, GrantTable
from .places import Place, Places, Use
from .stores import Batch, Deed, Store

MANUAL = "manual"
"""The source of grants that an operator gave by hand."""

Listener = Callable[[Iterable[Change]], None]


@dataclass(slots=True)
class Counts:
    """What happened since the start, for `status`."""

    logins: int = 0
    logouts: int = 0
    failures: int = 0
    ignored: int = 0
    permits: int = 0
    no_opinions: int = 0
    unavailable: int = 0

    @property
    def asked(self) -> int:
        """The questions that were answered."""
        return self.permits + self.no_opinions + self.unavailable


class Authorizer:
    """Policy and table together."""

    def __init__(self, policy: Policy, clock: Clock, *, match_sender: bool = False) -> None:
        self.policy = policy
        self.clock = clock
        self.table = GrantTable()
        """What this host's sources have earned and its operators have given."""
        self.seen = self.table
        """What answers and maps are given from: the own table, or a view of a shared store."""
        self.memory = policy.longest_life
        """Seconds that a revocation is remembered: no right, at any host, lasts longer after its
        login."""
        self.fresh_until = math.inf
        """Until when that may be relied on."""
        self.pending = Batch()
        self.outbox: Batch | None = None
        """What a shared store is to be told; None where there is none."""
        self.counts = Counts()
        self._trouble: str | None = "the store has not been read yet"
        self._blind = False
        self._match_sender = match_sender
        self._uses: list[Use] = []
        self._places = Places(policy.rules.ipv6_prefix)
        self._listeners: list[Listener] = []
        self._on_trouble: list[Callable[[], None]] = []
        self._expected: dict[Network, set[Callable[[], None]]] = {}
        self._wakers: list[Callable[[], None]] = []
        self._on_revoked: list[Callable[[Revoked], None]] = []
        self.elsewhere: Elsewhere | None = None
        """Who knows more than `seen`: a store that hosts share, if there is one."""

    @property
    def trouble(self) -> str | None:
        """Why nothing can be said just now; None while all is well."""
        return self._trouble

    @trouble.setter
    def trouble(self, why: str | None) -> None:
        sure = self.sure
        self._trouble = why
        self._tell_if_changed(sure)

    @property
    def blind(self) -> bool:
        """Whether `seen` lacks what it should hold: a shared store can't be followed."""
        return self._blind

    @blind.setter
    def blind(self, blind: bool) -> None:
        sure = self.sure
        self._blind = blind
        self._tell_if_changed(sure)

    @property
    def sure(self) -> bool:
        """Whether `seen` is what may be said to those who can't ask again."""
        return self._trouble is None and not self._blind

    def _tell_if_changed(self, before: bool) -> None:
        if before != self.sure:
            for listener in self._on_trouble:
                listener()

    def on_trouble(self, listener: Callable[[], None]) -> None:
        """Have `listener` called whenever `sure` changes."""
        self._on_trouble.append(listener)

    def load(self, store: Store) -> dict[str, str]:
        """Take over what the store holds; returns the sources' positions."""
        mark = store.mark()
        if mark is not None:
            self.clock.resume(mark, doubt=self.policy.longest_life)
        for revoked in store.revocations():
            self.table.revoke(revoked)
        for grant in store.grants():
            self.remember_for(grant.expires_at - grant.last_login)
            self.table.give(grant)
        self.trouble = None
        return store.positions()

    def remember_for(self, seconds: float) -> None:
        """There is a right that lasts so long: revocations are to be remembered as long."""
        self.memory = max(self.memory, seconds)

    def mark(self) -> Mark:
        """Where poplock's time stands, for the store."""
        return Mark(self.clock.boot_id(), self.clock.uptime(), self.clock.now())

    def on_pending(self, waker: Callable[[], None]) -> None:
        """Have `waker` called when something waits in `pending` or `outbox`."""
        self._wakers.append(waker)

    def wake(self) -> None:
        for waker in self._wakers:
            waker()

    def on_revoked(self, listener: Callable[[Revoked], None]) -> None:
        """Have `listener` called with every revocation, whoever ordered it."""
        self._on_revoked.append(listener)

    def subscribe(self, listener: Listener) -> None:
        """Have `listener` called with every change, before `record` returns."""
        self._listeners.append(listener)

    def record(self, events: Sequence[Event], position: tuple[str, str] | None = None) -> None:
        """Apply events, and keep with them how far their source was read.

        Event times are by the wall clock; they are put on poplock's scale here.
        """
        now = self.clock.now()
        ahead = ahead_of_wall(self.clock)
        changes: list[Change] = []
        table, counts = self.table, self.counts
        for event in events:
            if ahead:
                event.time += ahead
                if isinstance(event, Login) and event.since is not None:
                    event.since += ahead
            decision = self.policy.decide(event, now)
            if isinstance(decision, Grant):
                counts.logins += 1
                known = table.best(decision.network, now)
                if decision.sessions:
                    changes += table.moved(decision)
                change = table.give(decision)
                if change is not None:
                    changes.append(change)
                    if known is None and change.grant is not None:
                        self._note("granted", change.grant, ahead)
            elif isinstance(decision, Ended) and not decision.released:
                counts.logouts += 1
                change = table.end(decision)
                if change is not None:
                    changes.append(change)
            elif isinstance(decision, Ended | Revoked | Reset):
                counts.logouts += 1
                changes += self._release(decision, now)
            elif isinstance(event, Failure):
                counts.failures += 1
            else:
                counts.ignored += 1
        if position is not None:
            self.pending.positions[position[0]] = position[1]
        self._changed(changes)

    def _release(self, over: Ended | Revoked | Reset, now: float) -> list[Change]:
        """Addresses were given back: what was earned there is over."""
        if isinstance(over, Revoked):
            return self._revoke(over, "released")[1]
        if isinstance(over, Ended):
            revoked = self.table.release(over)
            return [] if revoked is None else self._revoke(revoked, "released")[1]
        at = min(over.time, now)
        changes = []
        for session in self.table.sessions(over.source, over.session or ""):
            changes += self._release(Ended(session, over.source, at, 0.0, True), now)
        return changes

    def grant(self, network: Network, address: str, user: str, seconds: float) -> Grant:
        """Give a right by hand, for `seconds` from now; it replaces an earlier one by hand."""
        # Strictly after a revocation of the same instant, or that would take it back.
        now = max(self.clock.now(), self.table.revoked_at(network, user, MANUAL) + 1e-6)
        client = client_in(network, address)
        new = Grant(network, user, MANUAL, client, now, now, now + seconds)
        for held in self.table.find(network):
            if held.user == user and held.source == MANUAL:
                self.table.drop(held)
        self.remember_for(seconds)
        self.table.give(new)
        self._note("granted", new)
        self._changed([Change(new.key, new)])
        return new

    def revoke(self, network: Network | None, user: str | None) -> list[Grant]:
        """Take back what these have earned until now; returns the grants that were live."""
        lost, changes = self._revoke(Revoked(network, user, self.clock.now()), "revoked")
        self._changed(changes)
        return lost

    def learn(self, revoked: Revoked) -> bool:
        """Take over a revocation of another host; False where it was known."""
        if self.table.knows(revoked):
            return False
        _, changes = self._revoke(revoked, "revoked", tell=False)
        self._changed(changes, tell=False)
        return True

    def _revoke(
        self, revoked: Revoked, what: str, *, tell: bool = True
    ) -> tuple[list[Grant], list[Change]]:
        """The live grants that it meets, and what changes."""
        now = self.clock.now()
        met = self.table.matching(revoked.network, revoked.user, revoked.source)
        lost = [g for g in met if g.live_at(now) and g.last_login <= revoked.at]
        changes = self.table.revoke(revoked)
        self.pending.revoked.append(revoked)
        if tell and self.outbox is not None:
            self.outbox.revoked.append(revoked)
        for listener in self._on_revoked:
            listener(revoked)
        for grant in lost:
            self._note(what, grant)
        return lost, changes

    def check(self, query: Query) -> Answer | Elsewhere:
        """Answer an MTA, and count it. Never raises, never waits."""
        place = self._places.get(query.client) or self._places[query.client]  # the first is faster
        answer = self._decide(query, place)
        if type(answer) is not Elsewhere:
            self._count(answer, place)
        return answer

    def decide(self, query: Query) -> Answer | Elsewhere:
        """The answer, from memory, without counting it."""
        return self._decide(query, self._places[query.client])

    def count(self, query: Query, answer: Answer) -> None:
        """Remember what an MTA was told."""
        self._count(answer, self._places[query.client])

    # An MTA asks at every recipient: a client is looked up once for both; `match` would be felt.

    def _decide(self, query: Query, place: Place) -> Answer | Elsewhere:
        if self._trouble is not None:
            return Unavailable(self._trouble)
        network = place.network
        if network is None:
            return place.no_opinion
        now = self.clock.now()
        grant = self.seen.best(network, now)
        if grant is None:
            return self.elsewhere or place.no_opinion
        if now > self.fresh_until:
            return self.elsewhere or Unavailable("what is known here is out of date")
        return self.permit(grant, query)

    def _count(self, answer: Answer, place: Place) -> None:
        if type(answer) is Permit:
            self.counts.permits += 1
            use = place.use
            if use is None or use.grant is not answer.grant:
                use = place.use = Use(place, answer.grant)
                self._uses.append(use)
            use.count += 1
        elif type(answer) is NoOpinion:
            self.counts.no_opinions += 1
        else:
            self.counts.unavailable += 1

    def expect(self, query: Query, wake: Callable[[], None]) -> Callable[[], None] | None:
        """Have `wake` called once a login earns a grant for the client of an unanswered query.

        Returns what takes the wish back; None where no login could help.
        """
        network = self.network(query.client)
        if network is None or self.policy.why_never(parse_ip(query.client)) is not None:
            return None
        self.counts.no_opinions -= 1  # it will be asked again, and counted then
        waiting = self._expected.setdefault(network, set())
        waiting.add(wake)

        def forget() -> None:
            waiting.discard(wake)
            if not waiting and self._expected.get(network) is waiting:
                del self._expected[network]

        return forget

    def permit(self, best: Grant, query: Query, rights: Sequence[Grant] = ()) -> Answer:
        """What live grants of a network are worth to who asks; `seen` has them unless given."""
        if not self._match_sender or _owns(best.user, query.sender):
            return Permit(best)
        now = self.clock.now()
        for grant in rights or self.seen.find(best.network):  # others behind the same address
            if grant.live_at(now) and _owns(grant.user, query.sender):
                return Permit(grant)
        return NoOpinion(f"the sender is not {best.user} (policy.match_sender)")

    def network(self, client: str) -> Network | None:
        """The network of an address as an MTA spelt it; None for what is no address."""
        return self._places[client].network

    def sweep(self) -> list[Grant]:
        """Take out what has expired and let go of tombstones that no late event can meet."""
        now = self.clock.now()
        gone = self.table.expire(now)
        for grant in gone:
            self._note("expired", grant)
        self.table.forget(self.oldest(), now)
        self._changed([Change(g.key, None) for g in gone])
        return gone

    def oldest(self) -> float:
        """Nothing earned before this counts any more: the longest life of a right has passed."""
        return self.clock.now() - self.memory

    def take_uses(self) -> list[Use]:
        """The permits since the last call; the caller now owns them."""
        uses, self._uses = self._uses, []
        for use in uses:
            use.place.use = None
        return uses

    def note_uses(self, uses: Sequence[Deed]) -> None:
        """Put uses into the history."""
        if uses:
            self.pending.deeds += uses
            self.wake()

    def expects(self, network: Network) -> bool:
        """Whether somebody waits for a login from there."""
        return network in self._expected

    def take_pending(self) -> Batch:
        """What waits to be kept; the caller now owns it."""
        batch, self.pending = self.pending, Batch()
        return batch

    def _note(self, what: str, grant: Grant, ahead: float | None = None) -> None:
        """Put a deed into the history; `ahead`: of the wall clock, where that is known already."""
        if ahead is None:
            ahead = ahead_of_wall(self.clock)
        self.pending.deeds.append(
            Deed(
                self.clock.wall(),
                what,
                grant.network,
                grant.user,
                grant.source,
                grant.address,
                until=grant.expires_at - ahead,
            )
        )

    def _changed(self, changes: list[Change], *, tell: bool = True) -> None:
        """Have what has changed in the own table kept, and seen."""
        self.pending.grants.update(changes)
        if self.outbox is None:
            self.show(changes)
        elif tell:
            self.outbox.grants.update(changes)
        if self.pending:
            self.wake()

    def show(self, changes: Iterable[Change]) -> None:
        """What answers are given from has changed."""
        if self._expected:
            for key, grant in changes:
                if grant is not None and key.network in self._expected:
                    for wake in list(self._expected.pop(key.network)):  # each takes itself out
                        wake()
        if changes:
            for listener in self._listeners:
                listener(changes)


def _owns(user: str, sender: str | None) -> bool:
    """Whether an envelope sender is the user's own: the login name, or its local part."""
    if not sender:
        return False
    sender, user = sender.lower(), user.lower()
    return sender == user or ("@" not in user and sender.rpartition("@")[0] == user)
