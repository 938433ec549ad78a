"""A stretch of the site's time, login by login and question by question.

    login -> POP host -> shard -> (push) every SMTP host
    question -> SMTP host -> its view, or shard -> SMTP host -> answer

Every POP host and every shard is there, and all questions. The pushes are followed into
`FOLLOWED` of the SMTP hosts only: they are all alike, and only those are counted as hosts. POP
hosts hear of revocations alone, which are too few to matter.

A host tells in batches, one on its way, and asks in at most `MOST_FLIGHTS` at once; what comes
meanwhile goes with the next (`poplock.shared`).

`Failover`: the master of shard 0 dies. Until its replica takes writes, logins of its networks wait
in their POP hosts, and what the views don't know is `unavailable`: for that shard's networks, or
for all where the shard is the one that holds the revocations. When hosts have found the new master
they forget their views, tell first what has waited and then again all they know of that shard,
between live logins; and for `max_staleness` "no grant" is no answer.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .people import Floats, Ints, People, Questions, logins, questions
from .site import Costs, Site
from .turns import Act, Link, Turning, World

FOLLOWED = 4
MOST_TOLD = 500  # logins that go together, or grants that are told again
MOST_FLIGHTS = 4
RETRY = 0.5  # seconds between attempts to tell
PROBED = 10  # each so many logins is followed by a question
RECONNECTS = 0.5  # seconds within which hosts find the new master, evenly
FILLED = 5.0  # seconds until a view that was forgotten is useful again
SHARD_0 = -1  # any network of it
WARM = 900.0  # seconds of people's time before the counting starts, for the views

Outcome = list[tuple[Act, Any]]


class Login(NamedTuple):
    time: float
    network: int
    weight: int
    probe: bool
    again: int = 0  # told again: so many in one


class Question(NamedTuple):
    time: float
    network: int
    weight: int
    hit: bool
    login: float | None = None  # of a probe: when its login was


@dataclass
class Seen:
    """What came of it. Times are when the login or the question was, in order of the outcome."""

    kept: list[tuple[float, float, int]] = field(default_factory=list)  # time, took, shard
    permits: list[tuple[float, float, int]] = field(default_factory=list)
    answers: list[tuple[float, float, str, int]] = field(default_factory=list)  # ..., what, shard
    again: list[float] = field(default_factory=list)  # when a batch that was told again was kept
    bytes: dict[str, float] = field(default_factory=dict)
    worked: dict[str, float] = field(default_factory=dict)
    turns: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Failover:
    at: float
    revocations: bool = False  # whether the shard is the one that holds them


@dataclass(frozen=True)
class Traffic:
    """Logins and questions of a stretch, ready to be played."""

    site: Site
    told: tuple[Floats, Ints]  # time, network
    asked: Questions
    weight: Ints  # grants of each network
    hits: tuple[int, int]  # questions about grants: from the view, all

    @property
    def networks(self) -> int:
        return int(np.count_nonzero(self.weight))

    @property
    def grants(self) -> int:
        return int(self.weight.sum())


def traffic(people: People, seconds: float) -> Traffic:
    """Play `WARM` seconds for the views, and keep the stretch that follows."""
    site = people.site
    awake = people.awake()
    told = logins(people, awake, WARM + seconds)
    asked = questions(people, awake, told, WARM + seconds)
    weight = grants(people, 1.0)
    late = told[0] >= WARM
    network = people.network[told[1][late]]
    asked_late = asked.time >= WARM
    kept = Questions(
        *(
            column[asked_late]
            for column in (asked.time - WARM, asked.network, asked.host, asked.hit)
        )
    )
    return Traffic(
        site,
        (told[0][late] - WARM, network),
        kept,
        weight,
        (int(kept.hit.sum()), len(kept.hit)),
    )


def grants(people: People, load: float) -> Ints:
    """Live grants of each network: a mailbox has one for each POP host that it logged in at."""
    site = people.site
    awake = people.granted(load)
    each = np.ones(len(awake))
    if not site.sticky:
        hosts = site.pop_hosts
        times = np.maximum(1, site.window / people.period)
        each = np.where(people.session, 1, hosts * (1 - (1 - 1 / hosts) ** times))
    counted = np.bincount(people.network[awake], each[awake], people.networks)
    return np.rint(counted).astype(np.int32)


def play(
    scene: Traffic, costs: Costs, seconds: float, failover: Failover | None = None, seed: int = 4
) -> Seen:
    """Let it happen."""
    return _Play(scene, costs, seconds, failover, seed).run()


class _Play:
    def __init__(
        self, scene: Traffic, costs: Costs, seconds: float, failover: Failover | None, seed: int
    ) -> None:
        self.site, self.costs, self.scene = scene.site, costs, scene
        self.seconds, self.failover = seconds, failover
        self.dice = np.random.default_rng(seed)
        self.world, self.seen = World(), Seen()
        site, world = self.site, self.world
        self.shards = [
            Turning(world, partial(self._shard_turn, number)) for number in range(site.shards)
        ]
        self.pops = [Turning(world, partial(self._pop_turn, n)) for n in range(site.pop_hosts)]
        self.smtps = [Turning(world, partial(self._smtp_turn, n)) for n in range(site.smtp_hosts)]
        self.telling = [Link(partial(self._tell, pop), MOST_TOLD) for pop in range(site.pop_hosts)]
        self.parts = [0] * site.pop_hosts  # of a batch, that are on their way
        self.failed: list[list[Login]] = [[] for _ in range(site.pop_hosts)]
        self.asked: list[list[Question]] = [[] for _ in range(site.smtp_hosts)]
        self.flights: list[list[list[int]]] = [[] for _ in range(site.smtp_hosts)]  # parts
        self.back = float("inf")  # when the hosts have found the new master
        self.sent = [0.0] * site.shards
        self.got = [0.0] * site.shards
        self.again = [0] * site.pop_hosts  # grants that are still to be told again
        self.followed = list(range(min(FOLLOWED, site.smtp_hosts)))

    # Where things are.

    def shard_of(self, network: int) -> int:
        if network == SHARD_0:
            return 0
        return network * 2654435761 % 4294967296 % self.site.shards

    def pop_of(self, network: int) -> int:
        if self.site.sticky:
            return network * 40503 % 65536 % self.site.pop_hosts
        return int(self.dice.integers(self.site.pop_hosts))

    def down(self, shard: int) -> bool:
        fail = self.failover
        return (
            fail is not None
            and shard == 0
            and fail.at <= self.world.now < fail.at + self.site.failover
        )

    # What happens from outside.

    def run(self) -> Seen:
        world, weight = self.world, self.scene.weight
        for number, (time, network) in enumerate(zip(*map(_plain, self.scene.told), strict=True)):
            login = Login(time, network, int(weight[network]) or 1, number % PROBED == 0)
            world.at(time + self.costs.log, self.pops[self.pop_of(network)].take, login)
        asked = self.scene.asked
        for time, network, host, hit in zip(
            *map(_plain, (asked.time, asked.network, asked.host, asked.hit)), strict=True
        ):
            question = Question(time, network, int(weight[network]) or 1, hit)
            world.at(time, self.smtps[host].take, question)
        strangers = self.dice.poisson(self.site.strangers * self.seconds)
        for time, number in zip(
            (self.dice.random(strangers) * self.seconds).tolist(),
            self.dice.integers(2**31, size=strangers).tolist(),
            strict=True,
        ):
            host = number % self.site.smtp_hosts
            world.at(time, self.smtps[host].take, Question(time, number, 0, False))
        if self.failover is not None:
            world.at(self.failover.at, self._fail)
        world.run(self.seconds)
        self._sum_up()
        return self.seen

    def _fail(self) -> None:
        for thing in self.shards[0].lose():
            self._lost(thing)
        self.back = self.world.now + self.site.failover + RECONNECTS
        share = self.scene.grants // (self.site.pop_hosts * self.site.shards)
        for pop in range(self.site.pop_hosts):
            found = self.back - self.dice.random() * RECONNECTS
            self.world.at(found, self._found_again, pop, share)

    def _lost(self, thing: Any) -> None:
        """What was on its way to a master that is gone."""
        what, who, things, *flight = thing
        if what == "keep":
            self.failed[who] += things
            self._part_told(who)
        else:
            self._unavailable(things)
            self._part_found(who, flight[0])

    def _found_again(self, pop: int, share: int) -> None:
        """A POP host has found the new master: what waited first, then all it knows."""
        self.again[pop] = share
        self._tell_again(pop)

    def _tell_again(self, pop: int) -> None:
        link = self.telling[pop]
        if self.again[pop] > 0 and not link.away and not link.waiting:
            many = min(MOST_TOLD, self.again[pop])
            self.again[pop] -= many
            link.put(Login(self.world.now, SHARD_0, 1, False, many))

    # A POP host.

    def _pop_turn(self, pop: int, batch: list[Any]) -> tuple[float, Outcome]:
        costs = self.costs
        # What is told in a turn goes together; its reply is in the measured cost.
        telling = any(isinstance(thing, Login) for thing in batch)
        seconds, outcome = costs.login_turn * telling, Outcome()
        for thing in batch:
            if isinstance(thing, Login):
                seconds += costs.login
                outcome.append((self.telling[pop].put, thing))
            else:
                outcome.append((self._part_told, pop))
        return seconds, outcome

    def _tell(self, pop: int, batch: list[Login]) -> None:
        parts: dict[int, list[Login]] = {}
        for login in batch:
            parts.setdefault(self.shard_of(login.network), []).append(login)
        self.parts[pop] = len(parts)
        for shard, part in parts.items():
            self.world.at(
                self.world.now + self.costs.hop, self._to_shard, shard, ("keep", pop, part)
            )

    def _part_told(self, pop: int) -> None:
        """The POP host knows that it is kept, or that it isn't."""
        self.parts[pop] -= 1
        if self.parts[pop] == 0:
            link = self.telling[pop]
            if self.failed[pop]:
                link.waiting = self.failed[pop] + link.waiting
                self.failed[pop] = []
                self.world.at(self.world.now + RETRY, link.back)
                return
            link.back()
            if self.again[pop]:
                self._tell_again(pop)

    # A shard.

    def _to_shard(self, shard: int, thing: Any) -> None:
        if self.down(shard):
            self._lost(thing)
        else:
            self.shards[shard].take(thing)

    def _shard_turn(self, shard: int, batch: list[Any]) -> tuple[float, Outcome]:
        costs, outcome = self.costs, Outcome()
        seconds = costs.shard_turn + costs.shard_client * (len(batch) - 1)
        changed = 0
        for what, _, things, *_ in batch:
            self.got[shard] += 2 * costs.packet
            self.sent[shard] += 2 * costs.packet
            if what == "keep":
                for login in things:
                    if login.again:
                        seconds += login.again * costs.shard_script
                        self.got[shard] += login.again * costs.script_wire
                        continue
                    seconds += costs.shard_script + costs.shard_script_each * (login.weight - 1)
                    self.got[shard] += costs.script_wire
                    changed += 1
            else:
                for question in things:
                    seconds += costs.shard_get + costs.shard_get_each * question.weight
                    self.got[shard] += costs.get_wire / 2
                    self.sent[shard] += costs.get_wire / 2 + costs.get_wire_each * question.weight
        if changed:
            hosts = self.site.smtp_hosts
            seconds += costs.shard_push * hosts
            self.sent[shard] += hosts * (costs.push_wire * changed + costs.packet)
            self.got[shard] += hosts * costs.packet / 2
            outcome += [(self._pushed, (host, changed)) for host in self.followed]
        outcome += [(self._replied, (shard, thing)) for thing in batch]
        return seconds, outcome

    def _pushed(self, push: tuple[int, int]) -> None:
        host, changed = push
        self.world.at(self.world.now + self.costs.hop, self.smtps[host].take, changed)

    def _replied(self, reply: tuple[int, Any]) -> None:
        shard, thing = reply
        if self.down(shard):  # it died in this turn: nobody hears of it
            self._lost(thing)
            return
        what, who, things, *flight = thing
        now = self.world.now
        back = now + self.costs.hop
        if what == "get":
            self.world.at(back, self.smtps[who].take, (things, flight[0]))
            return
        for login in things:
            if login.again:
                self.seen.again.append(now)
                continue
            self.seen.kept.append((login.time, now - login.time, shard))
            if login.probe:
                host = int(self.dice.integers(len(self.followed)))
                asked = Question(now, login.network, login.weight, False, login.time)
                self.world.at(now, self.smtps[host].take, asked)
        self.world.at(back, self.pops[who].take, None)

    # An SMTP host.

    def _smtp_turn(self, host: int, batch: list[Any]) -> tuple[float, Outcome]:
        costs, outcome = self.costs, Outcome()
        seconds = costs.smtp_turn
        for thing in batch:
            if isinstance(thing, Question):
                seconds += costs.question
                if self._remembers(thing):
                    outcome.append((self._from_view, (host, thing)))
                else:
                    seconds += costs.miss
                    outcome.append((self._miss, (host, thing)))
            elif isinstance(thing, int):
                seconds += costs.push + costs.drop * thing
            else:
                seconds += costs.flight
                outcome.append((self._found, (host, thing)))
        return seconds, outcome

    def _remembers(self, question: Question) -> bool:
        """Views are forgotten when a master is found again, and filled anew."""
        return question.hit and not self.back <= self.world.now < self.back + FILLED

    def _from_view(self, answer: tuple[int, Question]) -> None:
        host, question = answer
        fail = self.failover
        if fail and fail.at + self.site.staleness < self.world.now < self.back:
            self._unavailable([question])
        else:
            self._answer(host, question, "view", self.shard_of(question.network))

    def _miss(self, asked: tuple[int, Question]) -> None:
        host, question = asked
        blind = self.failover is not None and self.failover.revocations
        if self._away() and (blind or self.shard_of(question.network) == 0):
            self._unavailable([question])
            return
        self.asked[host].append(question)
        if len(self.flights[host]) < MOST_FLIGHTS:
            self._take_off(host)

    def _away(self) -> bool:
        fail = self.failover
        return fail is not None and fail.at <= self.world.now < self.back

    def _take_off(self, host: int) -> None:
        parts: dict[int, list[Question]] = {}
        for question in self.asked[host]:
            parts.setdefault(self.shard_of(question.network), []).append(question)
        self.asked[host] = []
        flight = [len(parts)]
        self.flights[host].append(flight)
        for shard, part in parts.items():
            self.world.at(
                self.world.now + self.costs.hop,
                self._to_shard,
                shard,
                ("get", host, part, flight),
            )

    def _found(self, reply: tuple[int, tuple[list[Question], list[int]]]) -> None:
        host, (batch, flight) = reply
        for question in batch:
            shard = self.shard_of(question.network)
            settling = self.back <= self.world.now < self.back + self.site.staleness
            if settling and not question.weight:
                self._unavailable([question])
            else:
                self._answer(host, question, "store", shard)
        self._part_found(host, flight)

    def _part_found(self, host: int, flight: list[int]) -> None:
        flight[0] -= 1
        if flight[0] == 0:
            self.flights[host].remove(flight)
            if self.asked[host]:
                self._take_off(host)

    def _answer(self, host: int, question: Question, what: str, shard: int) -> None:
        took = self.world.now - question.time
        if question.login is not None:
            now = self.world.now
            self.seen.permits.append((question.login, now - question.login, shard))
        elif host in self.followed or self.failover is not None:
            self.seen.answers.append((question.time, took, what, shard))

    def _unavailable(self, batch: list[Question]) -> None:
        for question in batch:
            took = self.world.now - question.time
            shard = self.shard_of(question.network)
            self.seen.answers.append((question.time, took, "unavailable", shard))

    # At the end.

    def _sum_up(self) -> None:
        seen, seconds, followed = self.seen, self.seconds, self.followed
        reading = self.costs.reading * len(seen.kept) / seconds / self.site.pop_hosts
        idle = self.costs.host_idle
        seen.worked = {
            "shard": max(s.worked for s in self.shards) / seconds + self.costs.shard_idle,
            "POP host": max(p.worked for p in self.pops) / seconds + reading + idle,
            "SMTP host": max(self.smtps[n].worked for n in followed) / seconds + idle,
        }
        seen.turns = {
            "shard": max(s.turns for s in self.shards) / seconds,
            "SMTP host": max(self.smtps[n].turns for n in followed) / seconds,
        }
        seen.bytes = {"to": max(self.got) / seconds, "from": max(self.sent) / seconds}


def _plain(column: Any) -> list[Any]:
    """numpy's numbers as Python's own, which are quicker one by one."""
    return list(column.tolist())
