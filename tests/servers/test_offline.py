"""Operators' verbs on a host that shares a store, while no daemon runs there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.engines import Server
from tests.daemon import Poplock

IP = "203.0.113.9"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


def host(server: Server, folder: Path, name: str) -> Poplock:
    """A host that shares a store."""
    (folder / name).mkdir()
    return Poplock(
        folder / name,
        f'[shared]\nnodes = ["{server.address}"]\nhost = "{name}"\nmax_staleness = "1s"\n',
    )


@pytest.fixture
def hosts(server: Server, tmp_path: Path) -> Iterator[tuple[Poplock, Poplock]]:
    """One whose daemon has run and stopped, one whose daemon runs."""
    still = host(server, tmp_path, "still")
    with still:
        pass
    with host(server, tmp_path, "busy") as busy:
        busy.until(lambda: busy.answer(IP) == "none", "the new store counts")
        yield still, busy


def test_verbs_without_a_daemon_ask_and_tell_the_store(hosts: tuple[Poplock, Poplock]) -> None:
    still, busy = hosts
    assert still.run("check", IP).returncode == 1
    assert busy.run("grant", IP, "--user", "ann").returncode == 0
    permitted = still.run("check", IP)
    assert permitted.returncode == 0
    assert "ann" in permitted.stdout
    assert [row["user"] for row in still.rows("list")] == ["ann"]
    (status,) = still.rows("status")
    assert (status["health"], status["grants"]) == ("not running", 1)

    given = still.run("grant", "203.0.113.77", "--user", "bob")
    assert given.returncode == 0, given.stderr
    assert busy.answer("203.0.113.77") == "permit"

    long = still.run("grant", IP, "--user", "bob", "--for", "2d")
    assert (long.returncode, "as long as a revocation is known" in long.stderr) == (1, True)

    taken = still.run("revoke", IP)
    assert taken.returncode == 0, taken.stderr
    assert "ann" in taken.stdout
    busy.until(lambda: busy.answer(IP) == "none", "the other host knows of the revocation")
    assert still.run("revoke", IP).returncode == 1


def test_an_order_that_cannot_be_told_is_kept_and_told_by_the_daemon(
    hosts: tuple[Poplock, Poplock], server: Server
) -> None:
    still, busy = hosts
    busy.run("grant", IP, "--user", "ann")
    server.kill()
    unknown = still.run("check", IP)
    assert unknown.returncode == 75
    assert "cannot ask the shared store" in unknown.stdout
    assert still.run("list").returncode == 75
    (status,) = still.rows("status")
    assert "cannot ask the shared store" in status["troubles"][0]

    ordered = still.run("revoke", IP)
    assert ordered.returncode == 75
    assert "kept on this host's disk, and told when poplock runs here" in ordered.stderr
    server.start()
    busy.until(lambda: busy.answer(IP) == "permit", "linked again, it knows of no revocation")
    with still:
        busy.until(lambda: busy.answer(IP) == "none", "the daemon told what was ordered")
