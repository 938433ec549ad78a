"""The figures of the report, from the model and the measured costs.

Each function is one question; none draws, none measures.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .model import Failover, Seen, Traffic, grants, play, traffic
from .people import settle
from .site import Costs, Site

STRETCH = 60.0  # seconds that are played for a distribution
SHORT = 20.0  # ... for a load of processors
GIB = 2**30
DOWN = 7.0  # seconds of a failover that are looked at: Site.failover


@dataclass(frozen=True)
class Peak:
    """The busiest minute."""

    scene: Traffic
    seen: Seen


@dataclass(frozen=True)
class Hour:
    """One hour of the day."""

    logins: float  # a second
    networks: int
    grants: int
    grants_scattered: int  # where logins of one client go to any POP host
    memory: float  # of one shard, bytes
    memory_scattered: float


def peak(site: Site, costs: Costs, seconds: float = STRETCH) -> Peak:
    scene = traffic(settle(site), seconds)
    return Peak(scene, play(scene, costs, seconds))


def failover(peak: Peak, costs: Costs, *, revocations: bool) -> tuple[Failover, Seen]:
    """The master of one of the shards dies in the busiest minute."""
    fail = Failover(10.0, revocations)
    return fail, play(peak.scene, costs, STRETCH, fail)


def refused(seen: Seen, fail: Failover) -> tuple[float, float]:
    """Answers `unavailable` while the master is away: of the shard's clients, and the others'."""
    end = fail.at + DOWN
    shares = []
    for ours in (True, False):
        told = [
            what == "unavailable"
            for time, _, what, shard in seen.answers
            if fail.at < time < end and (shard == 0) == ours
        ]
        shares.append(sum(told) / max(1, len(told)))
    return shares[0], shares[1]


def memory(site: Site, costs: Costs, networks: int, held: int) -> float:
    """Bytes in one shard."""
    return (networks * costs.key_bytes + held * costs.grant_bytes) / site.shards


def day(site: Site, costs: Costs) -> list[Hour]:
    """Keys and memory, hour by hour."""
    people = settle(site)
    scattered = replace(people, site=replace(site, sticky=False))
    hours = []
    for number, load in enumerate(site.day):
        before = site.day[number - 1]
        late = max(load, before)  # who went off within the window holds a grant still
        each, more = grants(people, late), grants(scattered, late)
        networks, held, held_scattered = np.count_nonzero(each), each.sum(), more.sum()
        hours.append(
            Hour(
                site.logins * load,
                int(networks),
                int(held),
                int(held_scattered),
                memory(site, costs, int(networks), int(held)),
                memory(site, costs, int(networks), int(held_scattered)),
            )
        )
    return hours


def sizes(site: Site, costs: Costs, of: tuple[float, ...]) -> list[tuple[Site, Peak]]:
    """The same site with more or fewer people on the same machines."""
    found = []
    for by in of:
        scaled = site.scaled(by)
        found.append((scaled, peak(scaled, costs, SHORT)))
    return found


def quantiles(times: list[float]) -> dict[str, float]:
    """p50, p99 and p99.9, in ms."""
    if not times:
        return {}
    found = np.quantile(np.array(times) * 1e3, [0.5, 0.99, 0.999])
    return dict(zip(("p50", "p99", "p99.9"), map(float, found), strict=True))


def per_second(seen: Seen, seconds: float, shards: Sequence[int]) -> dict[str, list[float]]:
    """What a failover does to the people of some shards, second by second."""
    count = int(seconds)
    asked, refused, slowest, again = (np.zeros(count) for _ in range(4))
    for time, _, what, shard in seen.answers:
        if shard in shards and time < count:
            asked[int(time)] += 1
            refused[int(time)] += what == "unavailable"
    for time, took, shard in seen.kept:
        if shard in shards and time < count:
            slowest[int(time)] = max(slowest[int(time)], took)
    for time in seen.again:
        if time < count:
            again[int(time)] += 1
    return {
        "unavailable": list(refused / np.maximum(asked, 1)),
        "slowest": list(slowest),
        "again": list(again),
    }
