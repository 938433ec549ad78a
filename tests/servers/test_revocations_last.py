"""A revocation is remembered for as long as anything lasts that it took back, at whichever host."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from poplock.config.shared import SharedSection
from poplock.core.addresses import network_of, parse_ip
from poplock.core.policy import Rules
from poplock.stores.redis import RedisStore, Schema
from testbed.engines import Server
from tests.hosts import members
from tests.hosts.members import Site

DAY = 86_400.0
PRINTER = "203.0.113.77"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def settings(server: Server) -> SharedSection:
    return SharedSection(nodes=(server.address,))


def given(folder: Path, seconds: float) -> None:
    """One host that shares nothing yet gives a right by hand."""
    with Site(folder, ["pop"]) as alone:
        pop = alone.hosts["pop"]

        async def give() -> None:
            pop.authorizer.grant(network_of(parse_ip(PRINTER), 64), PRINTER, "printer", seconds)
            await pop.kept()

        alone.do(give())


def test_a_grant_by_hand_of_before_hosts_shared_does_not_come_back(
    settings: SharedSection, tmp_path: Path
) -> None:
    given(tmp_path, 300 * DAY)
    with Site(tmp_path, ["pop", "smtp"], settings) as site:
        site.wait(30 * DAY)
        site.until_all_say("permit", PRINTER)
        site.revoke("smtp", PRINTER)
        site.until_all_say("none", PRINTER)
        for _ in range(5):
            site.wait(50 * DAY)
            assert site.answers(PRINTER) == {"none"}
            site.restart("smtp")
            site.until_all_say("none", PRINTER)


def test_a_revocation_of_before_a_host_shared_holds_for_what_that_brings(
    settings: SharedSection, tmp_path: Path
) -> None:
    with Site(tmp_path, ["smtp"], settings) as site:
        given(tmp_path, 300 * DAY)
        site.wait(60)
        site.revoke("smtp", PRINTER)
        site.wait(60)
        pop = site.hosts["pop"] = members.Member("pop", site)
        site.do(pop.start())
        for _ in range(5):
            site.until_all_say("none", PRINTER)
            site.wait(50 * DAY)
            assert site.answers(PRINTER) == {"none"}


def test_a_host_with_the_usual_sessions_remembers_for_one_with_long_ones(
    settings: SharedSection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Site(tmp_path, ["pop", "smtp"], settings) as site:
        long = Rules(window=3600.0, max_session=7 * DAY)
        monkeypatch.setitem(members.SOURCES, "log", long)
        site.restart("pop")
        monkeypatch.setitem(members.SOURCES, "log", members.RULES)
        site.login("pop", session="s1")
        site.wait(60)
        site.until_all_say("permit")
        site.revoke("smtp", user="ann")
        site.do(site.hosts.pop("pop").stop(killed=True))
        for _ in range(3):
            site.wait(2 * DAY)
            assert site.answer("smtp") == "none"


def test_hosts_that_raise_the_memory_together_get_the_longest(server: Server) -> None:
    async def raised() -> Schema | None:
        settings = SharedSection(nodes=(server.address,), prefix="together")
        stores = [RedisStore(settings) for _ in range(8)]
        one = stores[0]
        await one.make_schema("epoch", 0.0)
        await asyncio.gather(*[store.remember_for(n) for n, store in enumerate(stores, 1)])
        text = await one.get(one.schema_key)
        for store in stores:
            await store.reach.close()
        return one.schema(text)

    schema = asyncio.run(raised())
    assert schema is not None and schema.memory == 8
