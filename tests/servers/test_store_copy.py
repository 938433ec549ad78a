"""From one host to several and back, on a real Redis: nothing is lost and nothing lives longer."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from poplock.cli.store import command
from poplock.control import Revoke
from poplock.core.addresses import Network
from poplock.core.clock import Mark, SystemClock
from poplock.core.grants import Grant, Revoked, Session
from poplock.stores import Batch
from poplock.stores.sqlite import SqliteStore
from testbed.engines import Cluster, Sentinels, Server
from testbed.engines.sentinels import NAME
from tests.daemon import Poplock

MANY = 10_000


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def poplock(server: Server, tmp_path: Path) -> Poplock:
    server.cli("FLUSHALL")
    return Poplock(tmp_path, f'[shared]\nnodes = ["{server.address}"]\nhost = "pop1"\n')


def grants(many: int, now: float, user: str = "ann") -> list[Grant]:
    """Rights with ends of their own, each third with an open session."""
    made = []
    for i in range(many):
        login = now - 60 - i % 1000
        network = Network(f"10.{i // 65536}.{i // 256 % 256}.{i % 256}")
        sessions = (Session(f"s{i}", login, login + 86_400 - i % 7),) if i % 3 == 0 else ()
        made.append(
            Grant(network, f"{user}{i % 50}", "log", None, login, login, login + 7200, (), sessions)
        )
    return made


def fill(
    path: Path, held: list[Grant], revoked: list[Revoked] | None = None, ahead: float = 0.0
) -> None:
    """Have a host's file hold these, on a scale that is so far ahead of the wall clock."""
    clock = SystemClock()
    mark = Mark(clock.boot_id(), clock.uptime(), clock.wall() + ahead)
    with closing(SqliteStore(path, write=True)) as store:
        store.commit(Batch({g.key: g for g in held}, revoked or []), mark)


def held_in(path: Path) -> dict[Any, Grant]:
    with closing(SqliteStore(path, write=False)) as store:
        return {grant.key: grant for grant in store.grants()}


def copied(poplock: Poplock, source: object, target: object) -> dict[str, Any]:
    """What `poplock store copy --json` says; here, so that no Python need be started."""
    arguments = ["copy", str(source), str(target), "--json", "--config", str(poplock.config)]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    row: dict[str, Any] = json.loads(result.stdout)
    return row


def test_ten_thousand_go_to_the_store_and_back_with_their_ends_unchanged(
    poplock: Poplock, server: Server, tmp_path: Path
) -> None:
    now = time.time()
    sent = grants(MANY, now)
    fill(tmp_path / "poplock.db", sent, [Revoked(None, "eve", now - 30)])
    there = copied(poplock, tmp_path / "poplock.db", "shared")
    assert (there["grants"], there["copied"], there["late"], there["there"]) == (
        *(MANY, MANY, 0, MANY),
    )
    again = copied(poplock, tmp_path / "poplock.db", "shared")
    assert (again["copied"], again["revoked"], again["there"]) == (0, 0, MANY)
    back = copied(poplock, "shared", tmp_path / "back.db")
    assert (back["copied"], back["there"], back["revocations"]) == (MANY, MANY, 1)
    assert held_in(tmp_path / "back.db") == {grant.key: grant for grant in sent}


def test_killed_in_the_middle_it_goes_on_when_run_again(
    poplock: Poplock, server: Server, tmp_path: Path
) -> None:
    fill(tmp_path / "poplock.db", grants(MANY, time.time()))
    verb = ["store", "copy", str(tmp_path / "poplock.db"), "shared"]
    child = subprocess.Popen(
        [sys.executable, "-m", "poplock", *verb, "--config", str(poplock.config)]
    )
    server.until(lambda: int(server.cli("DBSIZE")) > 1000, "some have come")
    child.kill()
    child.wait()
    assert int(server.cli("DBSIZE")) < MANY
    row = copied(poplock, tmp_path / "poplock.db", "shared")
    assert 0 < row["copied"] < MANY
    assert row["there"] == MANY


def test_logins_and_a_revocation_go_on_meanwhile(
    poplock: Poplock, server: Server, tmp_path: Path
) -> None:
    log = tmp_path / "mail.log"
    log.touch()
    (tmp_path / "alone").mkdir()
    alone = Poplock(tmp_path / "alone", f'[[source]]\ntype = "file"\npath = "{log}"\n')
    fill(tmp_path / "alone/poplock.db", grants(MANY, time.time()))
    with alone:
        copy = subprocess.Popen(
            [
                *(sys.executable, "-m", "poplock", "store", "copy"),
                *(str(tmp_path / "alone/poplock.db"), "shared", "--config", str(poplock.config)),
            ],
            stdout=subprocess.DEVNULL,
        )
        for number in count():
            told_in(log, f"198.18.{number // 256}.{number % 256}")
            alone.ask(Revoke(user=f"ann{number % 40}"))
            with suppress(subprocess.TimeoutExpired):
                copy.wait(0.02)
                break
        assert copy.returncode == 0
        kept = {row["network"] for row in alone.rows("list")}
        copied(poplock, tmp_path / "alone/poplock.db", "shared")
    fill(tmp_path / "poplock.db", [])
    shared = {row["network"] for row in poplock.rows("list")}
    assert shared == kept


def told_in(log: Path, ip: str) -> None:
    """Somebody logs in."""
    stamp = time.strftime("%b %d %H:%M:%S")
    with log.open("a") as lines:
        lines.write(
            f"{stamp} mx dovecot: imap-login: Login: user=<bob>, method=PLAIN,"
            f" rip={ip}, lip=192.0.2.1, mpid=1, TLS, session=<a>\n"
        )


def test_what_the_host_told_since_stands_and_what_it_took_back_does_not_return(
    poplock: Poplock, tmp_path: Path
) -> None:
    now = time.time()
    old, *_ = grants(1, now)
    fill(tmp_path / "poplock.db", [old])
    copied(poplock, tmp_path / "poplock.db", "shared")
    (tmp_path / "poplock.db").rename(tmp_path / "yesterday.db")
    over = Grant(*old.key, None, old.granted_at, old.last_login, old.until)  # its session ended
    fill(tmp_path / "poplock.db", [over])
    copied(poplock, tmp_path / "poplock.db", "shared")
    row = copied(poplock, "shared", tmp_path / "other.db")
    assert held_in(tmp_path / "other.db") == {old.key: over}
    assert row["copied"] == 1
    fill(tmp_path / "poplock.db", [], [Revoked(None, old.user, now)])
    copied(poplock, tmp_path / "poplock.db", "shared")
    copied(poplock, "shared", tmp_path / "other.db")
    assert held_in(tmp_path / "other.db") == {}
    (tmp_path / "yesterday.db").rename(tmp_path / "poplock.db")
    assert copied(poplock, tmp_path / "poplock.db", "shared")["there"] == 0


def test_a_right_of_a_year_that_was_taken_back_there_is_not_copied_once_more(
    poplock: Poplock, server: Server, tmp_path: Path
) -> None:
    now, year = time.time(), 365 * 86_400
    printer = Grant(Network("203.0.113.9/32"), "printer", "manual", None, now, now, now + year)
    fill(tmp_path / "alone.db", [printer])
    assert copied(poplock, tmp_path / "alone.db", "shared")["there"] == 1
    assert poplock.run("revoke", "203.0.113.9").returncode == 0
    unpacked = "return cjson.encode(cmsgpack.unpack(redis.call('GET', KEYS[1])))"
    (tombstone,) = json.loads(server.cli("EVAL", unpacked, "1", "poplock:revoked")).values()
    assert tombstone[1] >= printer.until, "it is remembered as long as the right would last"
    again = copied(poplock, tmp_path / "alone.db", "shared")
    assert (again["copied"], again["there"]) == (0, 0)


def test_a_host_that_knows_better_than_the_store_keeps_what_it_knows(
    poplock: Poplock, tmp_path: Path
) -> None:
    now = time.time()
    told, *_ = grants(1, now)
    fill(tmp_path / "poplock.db", [told])
    copied(poplock, tmp_path / "poplock.db", "shared")
    over = Grant(*told.key, None, told.granted_at, told.last_login, told.until)  # not yet told
    fill(tmp_path / "poplock.db", [over])
    assert copied(poplock, "shared", tmp_path / "poplock.db")["copied"] == 0
    assert held_in(tmp_path / "poplock.db") == {told.key: over}


@pytest.mark.parametrize("kind", [Cluster, Sentinels])
def test_a_cluster_and_what_sentinels_watch_are_copied_to_and_from(
    kind: type[Cluster | Sentinels], tmp_path: Path
) -> None:
    with kind() as store:
        nodes = json.dumps(store.nodes[:2])
        mode = f'mode = "sentinel"\nmaster = "{NAME}"' if kind is Sentinels else 'mode = "cluster"'
        poplock = Poplock(tmp_path, f'[shared]\n{mode}\nnodes = {nodes}\nhost = "pop1"\n')
        sent = grants(700, time.time())
        fill(tmp_path / "poplock.db", sent, [Revoked(None, "eve", time.time())])
        assert copied(poplock, tmp_path / "poplock.db", "shared")["there"] == 700
        if isinstance(store, Sentinels):
            store.failover()  # it is found under the same name
        row = copied(poplock, "shared", tmp_path / "back.db")
        assert (row["copied"], row["revocations"]) == (700, 1)
    assert held_in(tmp_path / "back.db") == {grant.key: grant for grant in sent}


def test_a_file_an_hour_ahead_gives_nothing_that_lasts_longer(
    poplock: Poplock, tmp_path: Path
) -> None:
    now = time.time()
    sent = grants(10, now + 3600)
    fill(tmp_path / "poplock.db", sent, ahead=3600)
    assert copied(poplock, tmp_path / "poplock.db", "shared")["apart"] in (-3600, -3601)
    ends = [row["expires_at"] for row in poplock.rows("list")]
    copied(poplock, "shared", tmp_path / "back.db")
    assert len(ends) == 10
    for key, grant in held_in(tmp_path / "back.db").items():
        (before,) = (g.expires_at for g in sent if g.key == key)
        assert before - 3601.5 <= grant.expires_at <= before - 3600 + 0.25


def test_one_shared_store_goes_into_another_with_the_names_of_its_hosts(
    poplock: Poplock, server: Server, tmp_path: Path
) -> None:
    fill(tmp_path / "poplock.db", grants(100, time.time()))
    copied(poplock, tmp_path / "poplock.db", "shared")
    new = tmp_path / "new.toml"
    new.write_text(f'[shared]\nnodes = ["{server.address}"]\nprefix = "new"\nhost = "elsewhere"\n')
    row = copied(poplock, "shared", f"shared:{new}")
    assert (row["copied"], row["there"]) == (100, 100)
    key, other = "poplock:{10.0.0.0}", "new:{10.0.0.0}"
    same = "return redis.call('GET', KEYS[1]) == redis.call('GET', KEYS[2]) and 1 or 0"
    assert server.cli("EVAL", same, "2", key, other) == "1"
    assert "pop1" in server.cli(
        "EVAL", "return cjson.encode(cmsgpack.unpack(redis.call('GET', KEYS[1])))", "1", other
    )


def test_what_cannot_be_is_refused_with_a_reason(
    poplock: Poplock, server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "poplock.db"
    assert "no store" in poplock.run("store", "copy", str(path), "shared").stderr
    assert "empty" in poplock.run("store", "copy", "shared", str(tmp_path / "new.db")).stderr
    fill(path, grants(3, time.time()))
    assert "the same" in poplock.run("store", "copy", str(path), str(path)).stderr
    copied(poplock, path, "shared")
    assert "the same" in poplock.run("store", "copy", "shared", "shared").stderr
    with poplock:
        busy = poplock.run("store", "copy", "shared", str(path))
        assert "in use by a running poplock" in busy.stderr
        assert "stop it" in busy.stderr
        assert busy.returncode == 75
    poplock.config.write_text("")
    none = poplock.run("store", "copy", str(path), "shared")
    assert "no [shared]" in none.stderr
    assert none.returncode == 78


def test_people_are_told_what_was_copied_and_that_it_is_there(
    poplock: Poplock, tmp_path: Path
) -> None:
    fill(tmp_path / "poplock.db", grants(3, time.time()))
    told = poplock.run("store", "copy", str(tmp_path / "poplock.db"), "shared").stdout
    assert "3 live grants" in told
    assert "verified: nothing is lacking" in told
