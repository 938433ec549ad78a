"""What operators are told: the latest grants of many, and what is being used just now."""

import asyncio
from pathlib import Path

import pytest

from poplock import office
from poplock.authorizer import Authorizer
from poplock.core.addresses import Network
from poplock.core.answers import Query
from poplock.core.clock import FakeClock
from poplock.core.grants import Grant
from poplock.core.table import GrantTable
from poplock.office import Office
from poplock.permits import PermitLog
from poplock.stores import Batch
from poplock.stores.sqlite import SqliteStore
from tests.conftest import login


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "poplock.db", write=True)


def users(authorizer: Authorizer, store: SqliteStore, most: int) -> list[object]:
    rows = asyncio.run(Office(authorizer, store).latest(most))
    return [row["user"] for row in rows]


@pytest.mark.parametrize("at_once", [1, 3, 2000])
def test_the_latest_logins_come_first_of_however_many_grants(
    authorizer: Authorizer,
    clock: FakeClock,
    store: SqliteStore,
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
) -> None:
    monkeypatch.setattr(office, "_AT_ONCE", at_once)
    order = [3, 0, 7, 1, 9, 2, 8, 4, 6, 5]
    wall = clock.wall()
    for age in order:
        authorizer.record([login(wall - age, ip=f"203.0.113.{age // 2}", user=f"u{age}")])
    assert users(authorizer, store, 4) == ["u0", "u1", "u2", "u3"]
    assert users(authorizer, store, 500) == [f"u{age}" for age in range(10)]
    assert users(authorizer, store, 0) == []
    clock.advance(3600 - 5)  # ended, and not yet swept
    assert users(authorizer, store, 500) == [f"u{age}" for age in range(5)]


def test_the_latest_logins_are_those_of_all_hosts_that_are_known_here(
    authorizer: Authorizer, clock: FakeClock, store: SqliteStore
) -> None:
    wall = clock.wall()
    authorizer.record([login(wall - 1), login(wall - 3, ip="203.0.113.10", user="bob")])
    authorizer.seen = GrantTable()
    for number, user in enumerate(("ann", "eve", "old")):
        network, at = Network(f"203.0.113.{9 + 9 * number}/32"), clock.now() - 2 * number
        authorizer.seen.give(Grant(network, user, "log", None, at, at, at + 3600))
    assert users(authorizer, store, 500) == ["ann", "eve", "bob", "old"]
    assert users(authorizer, store, 2) == ["ann", "eve"]


def test_why_not_is_said_of_all_hosts_where_they_share_a_store(
    authorizer: Authorizer, clock: FakeClock, store: SqliteStore
) -> None:
    ours = Office(authorizer, store)
    assert ours.check("203.0.113.9")["why"] == "nobody has logged in from 203.0.113.9/32"
    authorizer.outbox = Batch()
    assert "at any host" in str(ours.check("203.0.113.9")["why"])


def test_uses_are_shown_before_they_are_in_the_history(
    authorizer: Authorizer, clock: FakeClock, store: SqliteStore
) -> None:
    permits, ours = PermitLog(authorizer, logged=False), Office(authorizer, store)
    authorizer.record([login(clock.wall()), login(clock.wall(), ip="203.0.113.10", user="bob")])
    for client in ("203.0.113.9", "203.0.113.10", "203.0.113.9"):
        authorizer.check(Query(client))
    asyncio.run(permits.write())
    news = ours.follow(None, 500, permits.latest(500))
    assert news["deeds"] == []
    assert [
        (row["event"], row["user"], row["address"], row["count"], row["at"]) for row in news["uses"]
    ] == [("used", "ann", "203.0.113.9", 2, None), ("used", "bob", "203.0.113.10", 1, None)]
    assert [use.user for use in permits.latest(1)] == ["bob"]
    permits.keep()
    store.commit(authorizer.take_pending(), authorizer.mark())
    news = ours.follow(None, 500, permits.latest(500))
    assert news["uses"] == []
    assert [row["event"] for row in news["deeds"]][-2:] == ["used", "used"]
