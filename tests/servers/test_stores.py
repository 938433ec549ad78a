"""The laws of keeping grants, and the model, over Redis and Valkey: alone, Sentinel, a cluster.

Three hosts share the store. Their heartbeats come in a twentieth of the usual time and their
`max_staleness` is short, so that waiting for either takes a test little time.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from poplock.config.duration import Duration
from poplock.config.shared import SharedSection
from poplock.stores import tracking
from testbed.engines import Cluster, Sentinels, Server
from tests.hosts import contract, stateful
from tests.hosts.members import Site

STALENESS = Duration(1)
HOSTS = ("pop", "smtp1", "smtp2")


class Alone:
    """One server."""

    def __init__(self, flavour: str) -> None:
        self.engine = Server(flavour)

    def settings(self) -> SharedSection:
        return SharedSection(nodes=(self.engine.address,), max_staleness=STALENESS)

    def servers(self) -> list[Server]:
        return [self.engine]

    def failover(self) -> None:
        self.engine.restart()


class Watched:
    """Three servers and their sentinels."""

    def __init__(self, flavour: str) -> None:
        self.engine = Sentinels(flavour)

    def settings(self) -> SharedSection:
        return SharedSection(
            mode="sentinel",
            nodes=tuple(self.engine.nodes),
            master=self.engine.name,
            max_staleness=STALENESS,
        )

    def servers(self) -> list[Server]:
        return [self.engine.master]

    def failover(self) -> None:
        self.engine.failover()
        self.engine.settled()


class Clustered:
    """Three masters with a replica each."""

    def __init__(self, flavour: str) -> None:
        self.engine = Cluster(flavour)

    def settings(self) -> SharedSection:
        return SharedSection(
            mode="cluster", nodes=tuple(self.engine.nodes), max_staleness=STALENESS
        )

    def servers(self) -> list[Server]:
        return [server for server in self.engine.servers if server.row().serves]

    def failover(self) -> None:
        self.engine.failover(self.engine.master_of("poplock"))


Store = Alone | Watched | Clustered

KINDS = {
    "redis-bookworm": lambda: Alone("redis-bookworm"),
    "redis-trixie": lambda: Alone("redis-trixie"),
    "valkey-trixie": lambda: Alone("valkey-trixie"),
    "sentinel": lambda: Watched("redis-bookworm"),
    "cluster": lambda: Clustered("valkey-trixie"),
}


@pytest.fixture(scope="module", params=KINDS)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    patch = pytest.MonkeyPatch()
    patch.setattr(tracking, "BEAT", 0.05)
    made = KINDS[request.param]()
    with made.engine:
        yield made
    patch.undo()


class TestShared(contract.Lasting):
    @pytest.fixture
    def site(self, store: Store, tmp_path: Path) -> Iterator[Site]:
        with Site(tmp_path, HOSTS, store.settings()) as site:
            yield site

    def test_an_emptied_store_is_told_again_and_nothing_false_is_said_meanwhile(
        self, site: Site, store: Store, first: str, last: str
    ) -> None:
        site.login(first, "198.51.100.1")
        site.login(first)
        site.login(last, "203.0.113.10", "bob")
        site.wait(60)
        site.revoke(last, user="ann")
        site.until_all_say("none")
        for server in store.servers():
            server.cli("FLUSHALL")
        says: set[str] = set()
        while says != {"permit"}:
            says = site.answers("203.0.113.10")
            assert "none" not in says
            assert "permit" not in site.answers() | site.answers("198.51.100.1")
        site.until_all_say("none")
        site.until_all_say("none", "198.51.100.1")

    def test_a_failover_loses_nothing_and_brings_nothing_back(
        self, site: Site, store: Store, first: str, last: str
    ) -> None:
        site.login(first)
        site.login(last, "203.0.113.10", "bob")
        site.wait(60)
        site.revoke(last, user="ann")
        site.until_all_say("none")
        store.failover()
        says: set[str] = set()
        while says != {"permit"}:
            says = site.answers("203.0.113.10")
            assert "none" not in says
            assert "permit" not in site.answers()
        site.until_all_say("none")


def test_any_store_is_as_the_model_says(store: Store, tmp_path: Path) -> None:
    def empty() -> None:
        for server in store.servers():
            server.cli("FLUSHALL")

    def site() -> Site:
        return Site(Path(mkdtemp(dir=tmp_path)), HOSTS, store.settings())

    class Sharing(stateful.Machine):
        pass

    Sharing.make, Sharing.empty, Sharing.failover = map(staticmethod, (site, empty, store.failover))
    run_state_machine_as_test(
        Sharing,
        settings=settings(
            max_examples=8,
            stateful_step_count=25,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a smaller one takes minutes
        ),
    )
