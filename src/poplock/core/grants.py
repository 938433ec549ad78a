"""Grants, revocations, and how they merge.

Rule 1: merging is free of order. A grant is a summary of proofs of presence of one user from one
network, told by one source; the later login wins, sessions merge by id, a revocation beats every
login that is not later than it. So a log read twice, or two hosts' events in any order, give the
same rights.

Rule 2: the source is part of the key. All logins of one source have one window, so the later
login always has the later end, and a revocation can be applied to the summary exactly.

Rule 3: a right dates from its login. A session's end extends the right that its login earned; if
that login was revoked, so is everything that follows from it.

All times are seconds on poplock's scale (`core.clock`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .addresses import Network

REORDERED = 5.0
"""Seconds by which the end of a session may be stamped before its login.

Dovecot 2.4 logs the login of a short session after its end, seen with a millisecond between.
"""

MOST_SESSIONS = 64
"""Open sessions kept for one grant; a client that opens more has its oldest forgotten."""


class Session(NamedTuple):
    """An open session: its id, when it logged in, and when it stops counting by itself.

    `limit` bounds a logout that never comes. It dates from when the session was last heard of.
    """

    id: str
    login: float
    limit: float


class Key(NamedTuple):
    """What makes two grants the same one."""

    network: Network
    user: str
    source: str


class Proof(NamedTuple):
    """The user was there: what a login at `login` earned lasts until `until`."""

    login: float
    until: float


@dataclass(slots=True)
class Grant:
    """The right of one client network to relay, earned by one user's login.

    Treated as immutable; not frozen because that triples the cost of making one, and reading a
    log makes one for each login.
    """

    network: Network
    user: str
    source: str
    client: str | None
    """The client's address at the last login, as `client_in` gives it: see `address`."""
    granted_at: float
    last_login: float
    until: float
    """End of what the last login earned, its closed sessions included."""
    older: tuple[Proof, ...] = ()
    """Earlier logins whose sessions ended so late that they last longer than `until`."""
    sessions: tuple[Session, ...] = ()

    @property
    def key(self) -> Key:
        return Key(self.network, self.user, self.source)

    @property
    def address(self) -> str:
        """The client's address at the last login."""
        return self.client or self.network.partition("/")[0]

    @property
    def expires_at(self) -> float:
        """When the right ends if nothing more is heard."""
        end = self.until
        for session in self.sessions:
            if session.limit > end:
                end = session.limit
        for proof in self.older:
            if proof.until > end:
                end = proof.until
        return end

    def live_at(self, now: float) -> bool:
        """Whether the right still holds at `now`."""
        return self.until > now or self.expires_at > now

    def with_proofs(self, proofs: Sequence[Proof], sessions: tuple[Session, ...]) -> "Grant":
        """This grant resting on exactly these proofs (at least one)."""
        main, older = max(proofs), list[Proof]()
        for proof in proofs:
            if proof.until > main.until:
                main, *older = _outlasting(proofs)
                break
        return Grant(
            self.network,
            self.user,
            self.source,
            self.client,
            min(self.granted_at, main.login),
            main.login,
            main.until,
            tuple(older),
            sessions,
        )

    def lasting(self, until: float, sessions: tuple[Session, ...]) -> "Grant":
        """This grant with another end of what its last login earned."""
        return Grant(
            self.network,
            self.user,
            self.source,
            self.client,
            self.granted_at,
            self.last_login,
            until,
            self.older,
            sessions,
        )

    @property
    def proofs(self) -> tuple[Proof, ...]:
        return (Proof(self.last_login, self.until), *self.older)


@dataclass(frozen=True, slots=True)
class Revoked:
    """A tombstone: nothing earned at `at` or before counts.

    None stands for every network, every user, every source.
    """

    network: Network | None
    user: str | None
    at: float
    source: str | None = None


@dataclass(slots=True)
class Ended:
    """A session is over. `until` is how far its end proves presence.

    `released`: its address was given back; nothing that was earned there holds on.
    """

    session: str
    source: str
    at: float
    window: float
    released: bool = False

    @property
    def until(self) -> float:
        return self.at + self.window


def merged(held: Grant, new: Grant) -> Grant:
    """Both summaries in one: commutative, associative, idempotent."""
    sessions = held.sessions or new.sessions
    if new.sessions and new.sessions != sessions:
        sessions = _newest({*held.sessions, *new.sessions})
    latest = max(held, new, key=lambda g: (g.last_login, g.client or ""))
    both = held.with_proofs((*held.proofs, *new.proofs), sessions)
    both.client = latest.client
    both.granted_at = min(held.granted_at, new.granted_at)
    return both


def without_session(held: Grant, ended: Ended) -> Grant:
    """The grant after one of its sessions ended.

    An end that came after the session's limit proves nothing: the right had lapsed by then.
    An end stamped well before its session's login belongs to an earlier use of the same id.
    """
    for session in held.sessions:
        if session.id == ended.session and session.login <= ended.at + REORDERED:
            rest = tuple([s for s in held.sessions if s is not session])
            proofs = held.proofs
            if ended.at < session.limit:
                until = ended.at + ended.window
                if session.login == held.last_login and not held.older:  # as nearly always
                    return held.lasting(max(held.until, until), rest)
                proofs = (*proofs, Proof(session.login, until))
            return held.with_proofs(proofs, rest)
    return held


def after_revocation(held: Grant, at: float) -> Grant | None:
    """What is left of a grant when everything earned at `at` or before is taken back.

    `granted_at` is then the earliest login that is still known, which after a revocation that
    arrives late may be a later one than the first.
    """
    if held.last_login <= at:
        return None
    if held.granted_at > at and not held.older and not held.sessions:
        return held
    left = held.with_proofs(
        [p for p in held.proofs if p.login > at],
        tuple(s for s in held.sessions if s.login > at),
    )
    if left.granted_at <= at:
        left.granted_at = min([p.login for p in left.proofs] + [s.login for s in left.sessions])
    return left


def _newest(sessions: Iterable[Session]) -> tuple[Session, ...]:
    by_id: dict[str, Session] = {}
    for session in sessions:
        seen = by_id.get(session.id)
        if seen is not None:
            login, limit = max(session.login, seen.login), max(session.limit, seen.limit)
            session = Session(session.id, login, limit)
        by_id[session.id] = session
    ordered = sorted(by_id.values(), key=lambda s: (s.login, s.id))
    return tuple(ordered[-MOST_SESSIONS:])


def _outlasting(proofs: Iterable[Proof]) -> list[Proof]:
    """The latest login first, then each earlier one that lasts longer than all later ones."""
    kept: list[Proof] = []
    for proof in sorted(proofs, reverse=True):
        if not kept or proof.until > kept[-1].until:
            kept.append(proof)
    return kept
