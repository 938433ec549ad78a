"""The SQLite store: what it keeps, and what it leaves untouched."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from poplock.authorizer import Authorizer
from poplock.core.answers import Permit, Query
from poplock.core.clock import FakeClock, Mark
from poplock.core.errors import StoreError
from poplock.core.policy import Policy, Rules
from poplock.stores import Batch, Deed, sqlite
from poplock.stores.sqlite import SqliteStore
from tests.conftest import login, logout

MARK = Mark("boot", 1.0, 1.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "poplock.db"


def keep(authorizer: Authorizer, path: Path) -> None:
    store = SqliteStore(path, write=True)
    store.commit(authorizer.take_pending(), authorizer.mark())
    store.close()


def reopened(path: Path, clock: FakeClock) -> tuple[Authorizer, dict[str, str]]:
    again = Authorizer(Policy(Rules()), clock)
    store = SqliteStore(path, write=True)
    positions = again.load(store)
    store.close()
    return again, positions


def test_grants_sessions_and_positions_survive_a_restart(
    authorizer: Authorizer, clock: FakeClock, path: Path
) -> None:
    now = clock.wall()
    authorizer.record(
        [login(now - 5000, session="s1"), login(now, session="s2"), logout(now, "s1")],
        ("log", "here"),
    )
    authorizer.record([login(now, ip="2001:db8::1", user="jörg")])
    keep(authorizer, path)
    again, positions = reopened(path, clock)
    assert sorted(again.table, key=lambda g: g.key) == sorted(authorizer.table, key=lambda g: g.key)
    assert positions == {"log": "here"}
    again.record([logout(now, "s2")])
    clock.advance(3601)
    assert not isinstance(again.check(Query("203.0.113.9")), Permit)


def test_a_revocation_survives_a_restart(
    authorizer: Authorizer, clock: FakeClock, path: Path
) -> None:
    event = login(clock.wall())
    authorizer.record([event])
    keep(authorizer, path)
    authorizer.revoke(None, "ann")
    keep(authorizer, path)
    again, _ = reopened(path, clock)
    again.record([login(clock.wall())])
    assert again.table.count == 0


def test_a_grant_that_lapsed_while_we_were_down_is_gone(
    authorizer: Authorizer, clock: FakeClock, path: Path
) -> None:
    authorizer.record([login(clock.wall())])
    keep(authorizer, path)
    clock.step(-7200)
    clock.advance(3601)
    fresh = FakeClock(clock.wall(), clock.uptime())
    again, _ = reopened(path, fresh)
    assert not isinstance(again.check(Query("203.0.113.9")), Permit)


@pytest.mark.parametrize(
    "junk", [b"not a database at all, just text\n" * 100, b"SQLite format 3\0"]
)
def test_a_file_that_is_no_database_is_left_untouched(path: Path, junk: bytes) -> None:
    path.write_bytes(junk)
    with pytest.raises(StoreError, match="left untouched"):
        SqliteStore(path, write=True)
    assert path.read_bytes() == junk


def test_a_database_of_another_program_is_left_untouched(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE theirs (x)")
    db.commit()
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        SqliteStore(path, write=True)
    assert path.read_bytes() == before


def test_a_damaged_store_is_named_and_left_untouched(
    authorizer: Authorizer, clock: FakeClock, path: Path
) -> None:
    authorizer.record([login(clock.wall(), ip=f"203.0.113.{i}") for i in range(250)])
    keep(authorizer, path)
    data = bytearray(path.read_bytes())
    data[4096 * 2 : 4096 * 6] = b"\xaa" * (4096 * 4)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="left untouched"):
        SqliteStore(path, write=True)
    assert path.read_bytes() == bytes(data)


def test_a_newer_schema_asks_for_an_upgrade(path: Path) -> None:
    SqliteStore(path, write=True).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="newer poplock"):
        SqliteStore(path, write=True)


def test_an_older_schema_is_migrated_and_keeps_its_grants(
    authorizer: Authorizer, clock: FakeClock, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authorizer.record([login(clock.wall())])
    keep(authorizer, path)
    step = "CREATE TABLE added_later (x INTEGER);"
    monkeypatch.setattr(sqlite, "MIGRATIONS", (*sqlite.MIGRATIONS, step))
    again, _ = reopened(path, clock)
    assert again.table.count == 1
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone() == (len(sqlite.MIGRATIONS),)
    assert db.execute("SELECT count(*) FROM added_later").fetchone() == (0,)


def test_a_second_writer_is_kept_out_and_readers_are_not(path: Path) -> None:
    store = SqliteStore(path, write=True)
    with pytest.raises(StoreError, match="in use by a running poplock"):
        SqliteStore(path, write=True)
    SqliteStore(path, write=False).close()
    store.close()
    SqliteStore(path, write=True).close()


def test_a_store_that_was_removed_while_open_is_trouble(authorizer: Authorizer, path: Path) -> None:
    store = SqliteStore(path, write=True)
    path.unlink()
    with pytest.raises(StoreError, match="removed or replaced"):
        store.commit(Batch(), authorizer.mark())
    store.close()


def test_a_commit_is_all_or_nothing_under_kill(path: Path) -> None:
    """A process is killed in the middle of committing; position and grants agree afterwards."""
    program = f"""
import os
from pathlib import Path
from poplock.authorizer import Authorizer
from poplock.core.clock import FakeClock, Mark
from poplock.core.policy import Policy, Rules
from poplock.stores.sqlite import SqliteStore
from tests.conftest import login
clock = FakeClock(); a = Authorizer(Policy(Rules()), clock); a.trouble = None
store = SqliteStore(Path({str(path)!r}), write=True)
for i in range(10**6):
    ip = f"198.51.{{i // 250 % 250}}.{{i % 250}}"
    a.record([login(clock.wall(), ip=ip, user=f"u{{i}}")], ("log", str(i)))
    store.commit(a.take_pending(), a.mark())
    if i == 200:
        print("going", flush=True)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"going\n"
    child.kill()
    child.wait()
    child.stdout.close()
    again, positions = reopened(path, FakeClock())
    assert again.table.count == int(positions["log"]) + 1


def test_history_is_found_by_network_user_and_time(
    authorizer: Authorizer, clock: FakeClock, path: Path
) -> None:
    authorizer.record([login(clock.wall()), login(clock.wall(), ip="2001:db8::1", user="bob")])
    clock.advance(100)
    authorizer.revoke(None, "bob")
    keep(authorizer, path)
    store = SqliteStore(path, write=False)
    assert [d.what for d in store.history(None, None, None, 10)] == ["granted"] * 2 + ["revoked"]
    assert [d.what for d in store.history(None, "bob", None, 10)] == ["granted", "revoked"]
    assert [d.user for d in store.history("203.0.113.9/32", None, None, 10)] == ["ann"]
    assert [d.what for d in store.history(None, None, clock.wall() - 1, 10)] == ["revoked"]
    assert [d.what for d in store.history(None, None, None, 1)] == ["revoked"]
    store.close()


def test_a_file_of_the_first_schema_is_migrated_and_only_by_a_writer(
    authorizer: Authorizer, clock: FakeClock, path: Path
) -> None:
    db = sqlite3.connect(path)
    db.executescript(
        sqlite.MIGRATIONS[0]
        + f"INSERT INTO revoked VALUES ('', 'ann', {clock.now()});"
        + f"PRAGMA application_id = {sqlite.APPLICATION_ID}; PRAGMA user_version = 1;"
    )
    db.close()
    with pytest.raises(StoreError, match="older poplock"):
        SqliteStore(path, write=False)
    again, _ = reopened(path, clock)
    again.record([login(clock.wall())])
    assert not isinstance(again.check(Query("203.0.113.9")), Permit)


def test_what_was_given_back_stays_so_after_a_restart_for_its_source_alone(
    authorizer: Authorizer, clock: FakeClock, path: Path
) -> None:
    authorizer.record([login(clock.wall(), session="s1")])
    over = logout(clock.wall(), "s1")
    over.released = True
    authorizer.record([over])
    keep(authorizer, path)
    again, _ = reopened(path, clock)
    again.record([login(clock.wall())])
    assert not isinstance(again.check(Query("203.0.113.9")), Permit)
    again.record([login(clock.wall(), source="other")])
    assert isinstance(again.check(Query("203.0.113.9")), Permit)


def test_what_happened_is_followed_from_place_to_place_and_none_is_told_twice(path: Path) -> None:
    store = SqliteStore(path, write=True)
    deeds = [Deed(float(n), "granted", "203.0.113.9/32", str(n)) for n in range(10)]
    store.commit(Batch(deeds=deeds[:6]), MARK)
    latest, place = store.follow(None, 2)
    assert latest == deeds[4:6]
    assert store.follow(None, 0) == ([], place)
    store.commit(Batch(deeds=deeds[6:]), MARK)
    first, place = store.follow(place, 3)
    rest, place = store.follow(place, 3)
    assert [*first, *rest] == deeds[6:]
    assert store.follow(place, 3) == ([], place)
    store.close()


def test_a_place_in_another_file_means_the_beginning_of_this_one(path: Path) -> None:
    store = SqliteStore(path, write=True)
    deed = Deed(1.0, "granted", "203.0.113.9/32", "ann")
    store.commit(Batch(deeds=[deed]), MARK)
    assert store.follow(4711, 3) == ([deed], 1)
    store.close()
