"""Does a history of many hosts keep the promises? Says which answers don't, and why.

Which checker, and why none that exists. Porcupine and Knossos decide whether a history is
linearizable: whether all hosts together behave like one register. We promise less and more. Less: a
revocation may take a second to reach every host and, while a host is cut off, as long as that may
go on with what it has seen; `unavailable` is right in any trouble. More: a login counts from its
acknowledgement on by the clock, and a right ends by the clock. Both bounds are in real time, so
they bind each host to the orders as recorded and not to what other hosts said at that moment; and
networks have nothing in common. So a history falls into one small problem for each host and
network: rights with bounds for their beginnings and ends, made here from logins, logouts,
revocations and troubles, and answers that have to fit into them (`tests.hosts.courses`, the search
of Wing and Gong with time in its state). That search is needed: taken one by one, answers could
each be explained although together they can't, as when a right that was refused comes back.

It is exact for the bounds. They err on the side of the site: what can't be known (whether a login
without an acknowledgement counted, on which side of a revocation a login fell that overlaps it, or
came nearer to it than clocks may differ) is taken as it suits the answers, for each host anew. Not
decided is therefore whether hosts agree for ever about a login that raced a revocation. Two
troubles at once are no excuse for each other: a failover that loses a login while the host that was
told of it is cut off breaks a promise that no store of this kind could keep.

The rules besides: `unavailable` needs a trouble that isn't long over, and a host that has been cut
off for longer than `max_staleness` says nothing else.

    python -m tests.hosts.checker HISTORY...     exit status 1 where a promise is broken
"""

import math
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .courses import Right, contradictions
from .history import Answer, History, Login, Logout, Operation, Revoke, Told, Trouble

_STAMP = 1.0  # seconds: a line of a log says no more exactly when it was
_MOST_NAMED = 6  # operations told of with one contradiction, the latest


@dataclass(frozen=True)
class Limits:
    """What is promised, in seconds."""

    revoke_within: float = 1.0
    """From the confirmation of a revocation until every host that reaches the store refuses."""
    max_staleness: float = 10.0
    """How long a host that doesn't may go on with what it has seen."""
    skew: float = 5.0
    """How far the hosts' times may differ: logins and revocations nearer than that are in doubt."""
    told_within: float = 5.0
    """From a line in a log until it counts."""
    delivered_within: float = 5.0
    """From the end of a trouble until what was told to a host meanwhile counts everywhere."""
    healed_within: float = 15.0
    """From the end of a trouble until a host may no longer say `unavailable` for it."""


@dataclass(frozen=True)
class Contradiction:
    """An answer that breaks a promise."""

    answer: Answer
    why: tuple[str, ...]

    def __str__(self) -> str:
        return "\n    ".join(self.why)


def check(history: History, limits: Limits | None = None) -> list[Contradiction]:
    """Everything in the history that contradicts the promises, in the order of the questions."""
    site = _Site(history, limits or Limits())
    return sorted(site.contradictions(), key=lambda found: found.answer.began)


class _Site:
    """A history by kinds of operations."""

    def __init__(self, history: History, limits: Limits) -> None:
        self.limits = limits
        operations = history.operations
        self.start = min((o.began for o in operations), default=0.0)
        self.logins: dict[str, list[Login]] = defaultdict(list)
        self.logouts: dict[str, Logout] = {}
        self.answers: dict[tuple[str, str], list[Answer]] = defaultdict(list)
        self.revokes = [o for o in operations if isinstance(o, Revoke)]
        self.troubles = sorted(
            (o for o in operations if isinstance(o, Trouble)), key=lambda o: o.began
        )
        for operation in operations:
            if isinstance(operation, Login):
                self.logins[operation.network].append(operation)
            elif isinstance(operation, Logout):
                self.logouts[operation.session] = operation
            elif isinstance(operation, Answer):
                self.answers[operation.host, operation.network].append(operation)

    def contradictions(self) -> Iterator[Contradiction]:
        for (host, network), answers in self.answers.items():
            rights = [self.right(login, host) for login in self.logins[network]]
            for answer in contradictions(rights, answers):
                yield Contradiction(answer, tuple(self._explain(answer, rights, answers)))
            for answer in answers:
                yield from self._without_need(answer)
                yield from self._too_stale(answer)

    def _without_need(self, answer: Answer) -> Iterator[Contradiction]:
        if answer.answer != "unavailable":
            return
        since = answer.began - self.limits.healed_within
        troubles = self.troubles_of(answer.host)
        if not any(t.began <= answer.ended and t.ended >= since for t in troubles):
            told = self._told(answer), f"without a trouble since {self._at(since)}"
            yield Contradiction(answer, told)

    def _too_stale(self, answer: Answer) -> Iterator[Contradiction]:
        if answer.answer == "unavailable":
            return
        for trouble in self.troubles_of(answer.host):
            until = trouble.complete + self.limits.max_staleness
            if trouble.kind == "cut" and until < answer.began and answer.ended < trouble.ended:
                why = f"cut off since {self._at(trouble.complete)}: {trouble.what}; what was seen"
                why += f" before may answer for {self.limits.max_staleness:g} s"
                yield Contradiction(answer, (self._told(answer), why))

    # The bounds.

    def right(self, login: Login, host: str) -> Right:
        """When what the login earned begins and ends to count at `host`."""
        must_begin = math.inf if login.told == "unanswered" else self.known_at(login, host)
        may_end, must_end = self._lasts(login, host)
        ends_by = None
        skew = self.limits.skew
        for revoke in self.revokes:
            if not _meets(revoke, login):
                continue
            if revoke.ended + skew >= _stamped_from(login):
                may_end = min(may_end, revoke.began)
            if revoke.confirmed and self._stamped_by(login) + skew < revoke.began:
                refused = self.refused_at(revoke, host)
                if refused < must_end:
                    must_end, ends_by = refused, revoke
        return Right(login, login.began, must_begin, may_end, must_end, ends_by)

    def _lasts(self, login: Login, host: str) -> tuple[float, float]:
        """The earliest and latest end of what it earned, had nobody taken it back."""
        skew = self.limits.skew
        since, until = _stamped_from(login), self._stamped_by(login)
        may_end, must_end = since + login.window - skew, until + login.window + skew
        if login.session is None:
            return may_end, must_end
        limit_from, limit_by = since + login.max_session - skew, until + login.max_session + skew
        out = self.logouts.get(login.session)
        if out is None:
            return max(may_end, limit_from), max(must_end, limit_by)
        out_from = _stamped_from(out) + login.window - skew
        out_by = self._stamped_by(out) + login.window + skew
        may_end = max(may_end, min(limit_from, out_from))
        if out.told == "unanswered":
            return may_end, max(must_end, limit_by, out_by)
        return may_end, max(must_end, min(limit_by, self.known_at(out, host)), out_by)

    def _stamped_by(self, told: Login | Logout) -> float:
        """When it happened, at the latest, for the host that was told."""
        if told.told != "unanswered":
            return told.ended
        at = told.ended + self.limits.told_within  # it may lie in a queue
        for trouble in self.troubles_of(told.host):
            if trouble.kind == "down" and trouble.began <= at and trouble.ended >= told.began:
                at = max(at, trouble.ended + self.limits.told_within)
        return at

    def known_at(self, told: Login | Logout | Revoke, host: str) -> float:
        """When `host` has to know what was told and confirmed; its own trouble is no excuse.

        What was told to another host in trouble is delivered when that is over.
        """
        logged = not isinstance(told, Revoke) and told.told == "logged"
        at = told.ended + (self.limits.told_within if logged else 0.0)
        if told.host == host and not logged:
            return at
        late = self.limits.told_within if logged else self.limits.delivered_within
        for trouble in self.troubles_of(told.host):
            if trouble.began <= at and trouble.ended >= told.began:
                at = max(at, trouble.ended + late)
        return at

    def refused_at(self, revoke: Revoke, host: str) -> float:
        """When `host` has to have stopped permitting what was revoked."""
        known = self.known_at(revoke, host)
        at = known + self.limits.revoke_within
        if revoke.host == host:
            return at
        stale = known + self.limits.max_staleness
        for trouble in self.troubles_of(host):
            if trouble.began <= at and trouble.ended >= revoke.began:
                at = max(at, min(stale, trouble.ended + self.limits.revoke_within))
        return at

    def troubles_of(self, host: str) -> list[Trouble]:
        """The host's own and the store's, which is between all of them."""
        return [trouble for trouble in self.troubles if trouble.host in (None, host)]

    # The words.

    def _explain(
        self, answer: Answer, rights: Sequence[Right], answers: Sequence[Answer]
    ) -> Iterator[str]:
        yield self._told(answer)
        if answer.answer == "permit":
            excused = [self._why_not(right, answer) for right in rights]
            if not rights:
                yield "nobody ever logged in from there"
        else:
            excused = [self._why_still(right, answer) for right in rights]
        yield from [why for why in excused if why is not None][-_MOST_NAMED:]
        if any(why is None for why in excused) and not (answer.answer == "none" and any(excused)):
            yield "by the times alone it could be, but not after what the same host had answered:"
            before = [a for a in answers if a.ended <= answer.ended and a is not answer]
            for other in sorted(before, key=lambda a: a.ended)[-_MOST_NAMED:]:
                yield self._told(other)

    def _why_not(self, right: Right, answer: Answer) -> str | None:
        """Why the login doesn't explain a permit; None where it might."""
        login = right.login
        if answer.user is not None and login.user != answer.user:
            return f"{self._told(login)}, but the permit names {answer.user}"
        if right.may_begin > answer.ended:
            return f"{self._told(login)}, only after the reply"
        if right.must_end >= answer.began:
            return None
        if right.ends_by is None:
            return f"{self._told(login)}, over by {self._at(right.must_end)}"
        return (
            f"{self._told(login)}; {self._told(right.ends_by)}, so"
            f" {answer.host} had to refuse it from {self._at(right.must_end)} on"
        )

    def _why_still(self, right: Right, answer: Answer) -> str | None:
        """Why the login contradicts a `none`; None where it needn't."""
        if right.must_begin >= answer.began or right.may_end <= answer.ended:
            return None
        return (
            f"{self._told(right.login)}, which counts from {self._at(right.must_begin)}"
            f" until {self._at(right.may_end)} at least"
        )

    def _told(self, operation: Operation) -> str:
        """An operation in words."""
        when = f"{self._at(operation.began)} to {self._at(operation.ended)}"
        match operation:
            case Answer(host=host, network=network, answer=answer, user=user):
                by = f" by a login of {user}" if user else ""
                return f"{when}: {host} answered '{answer}' for {network}{by}"
            case Login(host=host, network=network, user=user, told=told):
                return f"{when}: {user} logged in from {network} at {host} ({_HOW[told]})"
            case Logout(host=host, session=session, told=told):
                return f"{when}: session {session} ended at {host} ({_HOW[told]})"
            case Revoke(host=host, network=network, user=user, confirmed=confirmed):
                what = " of ".join(filter(None, (network, user))) or "everything"
                how = "confirmed" if confirmed else "not confirmed"
                return f"{when}: {what} was revoked on {host} ({how})"
            case Trouble(host=host, what=what):
                return f"{when}: {host or 'store'}: {what}"

    def _at(self, moment: float) -> str:
        return f"{moment - self.start:+.3f} s"


_HOW: dict[Told, str] = {
    "acknowledged": "acknowledged",
    "logged": "in its log",
    "unanswered": "never acknowledged",
}


def _meets(revoke: Revoke, login: Login) -> bool:
    return revoke.network in (None, login.network) and revoke.user in (None, login.user)


def _stamped_from(told: Login | Logout) -> float:
    """When it happened, at the earliest, for the host that was told."""
    return told.began - (_STAMP if told.told == "logged" else 0.0)


def main(paths: Sequence[str]) -> int:
    broken = 0
    for path in paths:
        history = History.read(Path(path))
        found = check(history)
        broken += len(found)
        for contradiction in found:
            print(f"{path}: {contradiction}")
        print(f"{path}: {len(history.operations)} operations, {len(found)} broken promises")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
