"""Whatever is done in whatever order: all hosts say what a simple model says of it.

The model keeps every login and works out from the contract whether one of them still counts. Half a
second passes with each step, so that what was done first has the earlier time on every host, and
nothing is compared close to a moment at which the model's answer changes: a run takes real time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from poplock.core.addresses import network_of, parse_ip
from poplock.core.grants import Revoked

from .members import SOURCES, Site

CLIENTS = ("203.0.113.9", "203.0.113.10", "2001:db8:1:2::3", "2001:db8:1:2::4")
_STEP = 0.5  # seconds
_NEAR = 60.0  # seconds, more than a run takes

clients = st.sampled_from(CLIENTS)
users = st.sampled_from(["ann", "bob"])
sources = st.sampled_from(sorted(SOURCES))
hosts = st.integers(0, 2)
agos = st.sampled_from([0.0, 0.0, 0.0, 100.0, 2000.0])


def network(client: str) -> str:
    return network_of(parse_ip(client), 64)


@dataclass
class Stay:
    """A login, and the end of its session."""

    host: str
    network: str
    user: str
    source: str
    at: float
    session: str | None
    ended: float | None = None

    @property
    def limit(self) -> float:
        return self.at + SOURCES[self.source].max_session

    @property
    def until(self) -> float:
        window = SOURCES[self.source].window
        if self.session is None:
            return self.at + window
        if self.ended is None or self.ended >= self.limit:
            return max(self.limit, self.at + window)
        return max(self.ended, self.at) + window


@dataclass
class Model:
    """All logins of a site, and all that was taken back."""

    stays: list[Stay] = field(default_factory=list)
    revoked: list[Revoked] = field(default_factory=list)

    def counts(self, stay: Stay) -> bool:
        return not any(
            revoked.network in (None, stay.network)
            and revoked.user in (None, stay.user)
            and revoked.source in (None, stay.source)
            and stay.at <= revoked.at
            for revoked in self.revoked
        )

    def says(self, network: str, now: float) -> str | None:
        """permit or none; None: too close to tell."""
        ends = [s.until for s in self.stays if s.network == network and self.counts(s)]
        if any(abs(end - now) < _NEAR for end in ends):
            return None
        return "permit" if any(end > now for end in ends) else "none"

    def open(self, now: float) -> list[Stay]:
        """Whose sessions may end now."""
        return [
            stay
            for stay in self.stays
            if stay.session
            and stay.ended is None
            and self.counts(stay)
            and stay.limit > now + _NEAR
        ]


class Machine(RuleBasedStateMachine):
    """Subclasses say how to make a site; and how to empty its store, or have it fail over."""

    make: ClassVar[Callable[[], Site]]
    empty: ClassVar[Callable[[], None] | None] = None
    failover: ClassVar[Callable[[], None] | None] = None
    many = False

    def __init__(self) -> None:
        super().__init__()
        self.site = type(self).make()
        self.model = Model()
        self.steps = 0
        self.faults = 0

    def teardown(self) -> None:
        self.site.__exit__()

    def _host(self, number: int) -> str:
        return list(self.site.hosts)[number % len(self.site.hosts)]

    @rule(host=hosts, client=clients, user=users, source=sources, ago=agos, stays=st.booleans())
    def login(
        self, host: int, client: str, user: str, source: str, ago: float, stays: bool
    ) -> None:
        name = self._host(host)
        session = f"s{self.steps}" if stays else None
        told = self.site.login(name, client, user, ago=ago, session=session, source=source)
        self.model.stays.append(Stay(name, network(client), user, source, told.time, session))

    @precondition(lambda self: self.model.open(self.site.now()))
    @rule(number=st.integers(0, 100), released=st.booleans())
    def logout(self, number: int, released: bool) -> None:
        """A session ends where it began; its address may be given back with it."""
        among = self.model.open(self.site.now())
        stay = among[number % len(among)]
        assert stay.session is not None
        told = self.site.logout(stay.host, stay.session, source=stay.source, released=released)
        stay.ended = told.time
        if released:
            self._revoked(Revoked(stay.network, stay.user, told.time, stay.source))  # type: ignore[arg-type]

    @rule(host=hosts, client=st.none() | clients, user=st.none() | users)
    def revoke(self, host: int, client: str | None, user: str | None) -> None:
        at = self.site.now()
        self.site.revoke(self._host(host), client, user)
        place = None if client is None else network(client)
        self._revoked(Revoked(place, user, at))  # type: ignore[arg-type]
        for each in CLIENTS:
            if self.model.says(network(each), at) == "none":
                assert self.site.answer(self._host(host), each) != "permit"

    def _revoked(self, revoked: Revoked) -> None:
        """Other hosts hear of it in a moment, and don't forget it again."""
        self.model.revoked.append(revoked)
        for client in CLIENTS:
            if self.model.says(network(client), self.site.now()) == "none":
                self._until_all_say("none", client)

    @rule(seconds=st.sampled_from([50.0, 650.0, 1300.0, 4000.0, 7300.0, 90_000.0]))
    def wait(self, seconds: float) -> None:
        self.site.wait(seconds)

    @precondition(lambda self: self.site.folder is not None)
    @rule(host=hosts, killed=st.booleans())
    def restart(self, host: int, killed: bool) -> None:
        self.site.restart(self._host(host), killed=killed)

    @precondition(lambda self: self.empty is not None and self.faults < 2)
    @rule()
    def lose_everything(self) -> None:
        self.faults += 1
        assert self.empty is not None
        self.empty()

    @precondition(lambda self: self.failover is not None and self.faults < 2)
    @rule()
    def fail_over(self) -> None:
        self.faults += 1
        assert self.failover is not None
        self.failover()

    @rule(host=hosts, client=clients)
    def ask(self, host: int, client: str) -> None:
        """What is said at once is never the contrary."""
        self._check(self._host(host), client)

    def _check(self, host: str, client: str) -> str:
        says = self.site.answer(host, client)
        expected = self.model.says(network(client), self.site.now())
        assert expected is None or says in (expected, "unavailable"), (host, client, says)
        return says

    @invariant()
    def all_agree(self) -> None:
        """All clients in turn, so that none is always fresh in every host's view."""
        self.steps += 1
        self.site.wait(_STEP)
        client = CLIENTS[self.steps % len(CLIENTS)]
        expected = self.model.says(network(client), self.site.now())
        for host in self.site.hosts:
            if expected is not None:
                self.site.until(
                    lambda host=host: self._check(host, client) == expected,
                    f"{host} says {expected!r} of {client}",
                )

    def _until_all_say(self, word: str, client: str) -> None:
        self.site.until(
            lambda: (
                {self.site.answer(host, client) for host in self.site.hosts}
                <= {word, "unavailable"}
            ),
            f"nobody permits {client}",
        )
