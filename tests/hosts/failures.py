"""What a site of many hosts does in each failure: a table of what its MTAs said, second by second.

For each failure there are five clients. Before it, `granted` logs in; `revoked before` logs in and
is revoked; `revoked during` logs in and is revoked while things are wrong; `logged in during` does
that while they are; `stranger` never does. Each SMTP host is asked about all of them, and about
mail for a user of its own, from before the failure until all is as it should be. Whoever plays it
checks the whole history afterwards (`tests.hosts.checker`).
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from testbed.engines import Cluster, Sentinels, Server
from testbed.site import clock_off_by

from .checker import Contradiction, Limits, check
from .fleet import MAX_STALENESS, SMTPS, Crew
from .history import Answer, Recorder, Told, Word

LIMITS = Limits(max_staleness=MAX_STALENESS, skew=0.1)
"""All hosts have this machine's clock, or know how far theirs is off: so each revocation here comes
later than the login that it takes back, and binds."""

GRANTED, BEFORE, DURING = "granted", "revoked before", "revoked during"
NEWCOMER, STRANGER = "logged in during", "stranger"
CLIENTS = (GRANTED, BEFORE, DURING, NEWCOMER, STRANGER)
AFTERWARDS: Mapping[str, Word] = {
    GRANTED: "permit",
    BEFORE: "none",
    DURING: "none",
    NEWCOMER: "permit",
    STRANGER: "none",
}

_PAUSE = 0.05  # seconds between two rounds of questions
_HEALS = 30.0  # seconds until a site that doesn't heal is given up
_HOUR = 3600.0


@dataclass
class Scene:
    """One failure as it is played."""

    crew: Crew
    who: dict[str, str]
    """Client's name in the table -> its address."""
    history: Recorder = field(default_factory=Recorder)
    local: dict[str, list[int]] = field(default_factory=dict)
    """SMTP host -> replies to mail for its own user."""
    began: float = 0.0
    ended: float = 0.0
    healed: float = 0.0

    def last(self, smtp: str, name: str) -> Word | None:
        """The latest answer."""
        found = self.answers(smtp, name)
        return found[-1].answer if found else None

    def answers(self, smtp: str, name: str) -> list[Answer]:
        network = f"{self.who[name]}/32"
        return [
            o
            for o in list(self.history.operations)
            if isinstance(o, Answer) and (o.host, o.network) == (smtp, network)
        ]

    def until(self, true: Callable[[], bool], what: str) -> None:
        self.crew.daemons[SMTPS[0]].until(true, what, _HEALS)

    def until_said(self, answer: Word, name: str = GRANTED, hosts: tuple[str, ...] = SMTPS) -> None:
        """Until these hosts answer so for a client."""
        self.until(
            lambda: all(self.last(smtp, name) == answer for smtp in hosts),
            f"{', '.join(hosts)}: {answer} for {name}",
        )

    def watched(self, rounds: int) -> None:
        """Until every SMTP host has been asked so often more for everybody."""
        pairs = [(smtp, name) for smtp in SMTPS for name in CLIENTS]
        wanted = {pair: len(self.answers(*pair)) + rounds for pair in pairs}
        self.until(
            lambda: all(len(self.answers(*pair)) >= wanted[pair] for pair in pairs),
            f"{rounds} answers for everybody",
        )

    def log_in(self, pop: str, name: str) -> None:
        client = self.who[name]

        def tell() -> Told:
            self.crew.fleet.log_in(pop, client)
            return "logged"

        self.history.login(pop, f"{client}/32", "alice", tell, window=_HOUR)

    def revoke(self, host: str, name: str) -> None:
        client = self.who[name]
        self.history.revoke(host, lambda: self.crew.revoke(host, client), network=f"{client}/32")


@dataclass(frozen=True)
class Failure:
    """A way to break, as a context: broken when it is entered, mended when it is left."""

    name: str
    breaks: Callable[[Scene], AbstractContextManager[object]]
    host: str | None = None
    """Whose trouble it is; None: the store's."""
    kind: Literal["down", "cut", "poor", "store"] = "store"
    store: str = "single"
    pop: str = "pop1"
    """Where one logs in during it."""
    operator: str = "smtp2"
    """Where one revokes during it."""
    until: tuple[Word, str, tuple[str, ...]] | None = None
    """It lasts until this is said, for this client, by these hosts;"""
    rounds: int = 4
    """and so many answers for everybody longer."""


def play(crew: Crew, failure: Failure) -> Scene:
    """Break it, mend it, and return when all is well again; AssertionError when it never is."""
    scene = Scene(crew, {name: crew.fleet.client() for name in CLIENTS})
    with _asked(scene):
        for name in (GRANTED, BEFORE, DURING):
            scene.log_in("pop1" if name == GRANTED else "pop2", name)
            scene.until_said("permit", name)
        scene.revoke("pop1", BEFORE)
        for name in (BEFORE, NEWCOMER, STRANGER):
            scene.until_said("none", name)
        scene.began = time.monotonic()
        with scene.history.trouble(failure.host, failure.kind, failure.name) as complete:
            with failure.breaks(scene):
                complete()
                scene.log_in(failure.pop, NEWCOMER)
                scene.revoke(failure.operator, DURING)
                if failure.until is not None:
                    scene.until_said(*failure.until)
                scene.watched(failure.rounds)
            scene.ended = time.monotonic()
        for name, answer in AFTERWARDS.items():
            scene.until_said(answer, name)
        scene.healed = time.monotonic()
    return scene


def broken(scene: Scene) -> list[str]:
    """Every promise that was broken, in words."""
    found: list[Contradiction] = check(scene.history, LIMITS)
    told = [str(contradiction) for contradiction in found]
    for smtp, codes in scene.local.items():
        told += [f"{smtp} said {code} to local mail" for code in codes if code != 250]
    return told


@contextmanager
def _asked(scene: Scene) -> Iterator[None]:
    """Ask every SMTP host for everybody, again and again, while the block lasts."""
    over = threading.Event()
    fleet = scene.crew.fleet

    def about(smtp: str, client: str) -> None:
        while not over.wait(_PAUSE):
            scene.history.ask(smtp, f"{client}/32", partial(fleet.relay, smtp, client))

    def about_local_mail(smtp: str) -> None:
        codes = scene.local[smtp] = []
        while not over.wait(_PAUSE):
            codes.append(fleet.local(smtp, scene.who[STRANGER]))

    asking = [(about, (smtp, client)) for smtp in SMTPS for client in scene.who.values()]
    with ThreadPoolExecutor(len(asking) + len(SMTPS)) as pool:
        asked = [pool.submit(ask, *of) for ask, of in asking]
        asked += [pool.submit(about_local_mail, smtp) for smtp in SMTPS]
        try:
            yield
        finally:
            over.set()
            for each in asked:
                each.result()


# The failures.


@contextmanager
def _store_killed(scene: Scene) -> Iterator[None]:
    server = _single(scene)
    server.kill()
    yield
    server.start()


@contextmanager
def _store_stopped(scene: Scene) -> Iterator[None]:
    server = _single(scene)
    server.stop()
    yield
    server.cont()


@contextmanager
def _store_emptied(scene: Scene) -> Iterator[None]:
    _single(scene).restart(empty=True)
    yield


@contextmanager
def _store_full(scene: Scene) -> Iterator[None]:
    server = _single(scene)
    server.cli("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1")
    yield
    server.cli("CONFIG", "SET", "maxmemory", "0")


@contextmanager
def _password_changed(scene: Scene) -> Iterator[None]:
    new = f"second-{time.monotonic_ns()}"
    _single(scene).change_password(new, "poplock")
    yield
    scene.crew.set_password(new)


@contextmanager
def _master_killed(scene: Scene) -> Iterator[None]:
    six = scene.crew.engine
    assert isinstance(six, Sentinels)
    old = six.master
    six.kill_master()
    yield
    old.start()
    old.until(old.in_step, "the old master follows the new one")


@contextmanager
def _node_killed(scene: Scene) -> Iterator[None]:
    cluster = scene.crew.engine
    assert isinstance(cluster, Cluster)
    old = cluster.master_of(f"poplock:{{{scene.who[GRANTED]}/32}}")
    cluster.kill_master(old)
    yield
    old.start()
    cluster.settled()


def _cut(host: str) -> Callable[[Scene], AbstractContextManager[None]]:
    @contextmanager
    def cut(scene: Scene) -> Iterator[None]:
        link = scene.crew.fleet.site.links[host]
        link.cut()
        yield
        link.heal()

    return cut


@contextmanager
def _bad_link(scene: Scene) -> Iterator[None]:
    link = scene.crew.fleet.site.links["smtp1"]
    link.delay(200, 0.05)
    yield
    link.heal()


@contextmanager
def _clock_off(scene: Scene) -> Iterator[None]:
    scene.crew.restart("smtp1", signal.SIGTERM, clock_off_by(_HOUR))
    scene.until(lambda: "3600 s ahead" in scene.crew.troubles("smtp1"), "smtp1 says so")
    yield
    scene.crew.restart("smtp1", signal.SIGTERM)


@contextmanager
def _pop_clock_off(scene: Scene) -> Iterator[None]:
    fleet = scene.crew.fleet
    scene.crew.restart("pop2", signal.SIGTERM, clock_off_by(-_HOUR))
    fleet.clock_of["pop2"] = -_HOUR
    yield
    scene.until_said("permit", NEWCOMER)
    del fleet.clock_of["pop2"]
    scene.crew.restart("pop2", signal.SIGTERM)


@contextmanager
def _smtp_killed(scene: Scene) -> Iterator[None]:
    scene.crew.daemons["smtp1"].end(signal.SIGKILL)
    yield
    scene.crew.daemons["smtp1"].start()


def _single(scene: Scene) -> Server:
    server = scene.crew.engine
    assert isinstance(server, Server)
    return server


_SILENT: tuple[Word, str, tuple[str, ...]] = ("unavailable", GRANTED, SMTPS)
_SMTP1_SILENT: tuple[Word, str, tuple[str, ...]] = ("unavailable", GRANTED, ("smtp1",))
_LEARNT: tuple[Word, str, tuple[str, ...]] = ("permit", NEWCOMER, SMTPS)

FAILURES = (
    Failure("store killed", _store_killed, until=_SILENT),
    Failure("store stopped (SIGSTOP)", _store_stopped, until=_SILENT),
    Failure("store emptied", _store_emptied),
    Failure("store full (maxmemory)", _store_full),
    Failure("password changed, hosts told later", _password_changed, until=_SILENT),
    Failure("an SMTP host's link cut", _cut("smtp1"), "smtp1", "cut", until=_SMTP1_SILENT),
    Failure("a POP host's link cut", _cut("pop1"), "pop1", "cut"),
    Failure("200 ms and 5 % loss", _bad_link, "smtp1", "poor", until=_LEARNT, rounds=8),
    Failure("an SMTP host's daemon killed", _smtp_killed, "smtp1", "down", until=_SMTP1_SILENT),
    Failure("an SMTP host's clock 1 h fast", _clock_off, "smtp1", "down", until=_LEARNT),
    Failure("a POP host's clock 1 h slow", _pop_clock_off, "pop2", "down", "single", "pop2"),
    Failure("master killed (Sentinel)", _master_killed, store="sentinel"),
    Failure("node killed (Cluster)", _node_killed, store="cluster"),
)


# The table.


def table(failure: Failure, scene: Scene) -> Iterator[str]:
    """Lines: who was answered what and from when on, in seconds since the failure began."""
    mended, well = scene.ended - scene.began, scene.healed - scene.began
    yield f"{failure.name} ({failure.store}): mended at {mended:.1f} s, all well at {well:.1f} s"
    for name in CLIENTS:
        for smtp in SMTPS:
            yield f"  {name:16} {smtp}  {_course(scene, scene.answers(smtp, name))}"
    for smtp, codes in scene.local.items():
        refused = sum(code != 250 for code in codes)
        yield f"  {'local mail':16} {smtp}  {len(codes)} accepted, {refused} refused"


def _course(scene: Scene, answers: list[Answer]) -> str:
    """`permit, 2.1 unavailable, 6.0 permit`."""
    words: list[str] = []
    before: Word | None = None
    for answer in answers:
        at = answer.ended - scene.began
        if answer.answer != before:
            first = not words or at < 0
            words = [*([] if first else words), *([] if first else [f"{at:.1f}"]), answer.answer]
            before = answer.answer
    return " ".join(words)
