"""A real journald, a real journalctl and a real Dovecot that logs to it."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from poplock.control import History
from testbed import clients, servers
from testbed.host import Host
from testbed.servers import Journal, journald
from tests.daemon import Poplock

CONFIG = """
[[source]]
type = "journal"
name = "journal"
units = ["dovecot.service"]
uids = ["root"]
dialects = ["dovecot"]
"""
LINE = "imap-login: {0}: user=<mallory>, method=PLAIN, rip=203.0.113.66, lip=::1, session=<{1}>"


@pytest.fixture(scope="module")
def place(release: str) -> Iterator[tuple[Host, Journal]]:
    with Host(release, servers.DOVECOT_SYSLOG) as host, journald(host) as journal:
        command = journal.as_unit("dovecot.service", "dovecot")
        servers.start_dovecot(host, command=command)
        yield host, journal


@pytest.fixture
def poplock(place: tuple[Host, Journal], tmp_path: Path) -> Iterator[Poplock]:
    """A daemon whose journalctl is the one in the root, on a journal without a past."""
    host, journal = place
    journal.rotate_and_vacuum()
    programs = journal.journalctl(tmp_path / "bin")

    def popen(command: list[str], env: dict[str, str], **more: Any) -> Any:
        path = f"{programs}:{os.environ['PATH']}"
        return host.popen(command, inside=False, env={**env, "PATH": path}, **more)

    with Poplock(tmp_path, CONFIG, popen) as running:
        yield running


def granted(poplock: Poplock) -> Counter[str]:
    """How often each address was granted anew, by the history."""
    return Counter(d["network"] for d in poplock.ask(History()) if d["event"] == "granted")


def wait_for(poplock: Poplock, *addresses: str) -> None:
    """Until exactly these hold a grant, each given once."""
    expected = Counter(f"{a}/32" for a in addresses)
    poplock.until(lambda: granted(poplock) == expected, f"{expected} in {granted(poplock)}")
    assert {g["source"] for g in poplock.rows("list")} == {"journal"}


@pytest.mark.parametrize("service", ["pop3", "imap"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_login_is_granted_and_a_failure_is_not(
    place: tuple[Host, Journal], poplock: Poplock, service: str, tls: bool
) -> None:
    clients.log_in(place[0], "203.0.113.6", service=service, tls=tls, right=False)
    clients.log_in(place[0], "203.0.113.5", service=service, tls=tls)
    wait_for(poplock, "203.0.113.5")


def test_whoever_is_not_the_unit_or_not_its_account_cannot_write_a_login(
    place: tuple[Host, Journal], poplock: Poplock
) -> None:
    host, journal = place
    word = "Login" if host.release == "bookworm" else "Logged in"
    journal.write("session-1.scope", "dovecot", LINE.format(word, 1))
    journal.write("dovecot.service", "dovecot", LINE.format(word, 2), user="mail")
    journal.write("dovecot.service", "logger", LINE.format(word, 3))
    clients.log_in(host, "203.0.113.5")
    wait_for(poplock, "203.0.113.5")
    # What nobody can tell from Dovecot's own:
    journal.write("dovecot.service", "dovecot", LINE.format(word, 4))
    wait_for(poplock, "203.0.113.5", "203.0.113.66")


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_logins_while_poplock_was_away_are_granted_once(
    place: tuple[Host, Journal], poplock: Poplock, end: int
) -> None:
    clients.log_in(place[0], "203.0.113.5")
    wait_for(poplock, "203.0.113.5")
    poplock.end(end)
    clients.log_in(place[0], "203.0.113.6")
    poplock.start()
    wait_for(poplock, "203.0.113.5", "203.0.113.6")
    clients.log_in(place[0], "203.0.113.7")
    wait_for(poplock, "203.0.113.5", "203.0.113.6", "203.0.113.7")


def test_rotation_and_vacuum_while_following_lose_nothing(
    place: tuple[Host, Journal], poplock: Poplock
) -> None:
    addresses: list[str] = []
    for i in range(5, 9):
        clients.log_in(place[0], f"203.0.113.{i}")
        addresses.append(f"203.0.113.{i}")
        wait_for(poplock, *addresses)
        place[1].rotate_and_vacuum()


def test_a_vacuum_of_the_last_entry_while_away_costs_no_later_login(
    place: tuple[Host, Journal], poplock: Poplock
) -> None:
    clients.log_in(place[0], "203.0.113.5")
    wait_for(poplock, "203.0.113.5")
    poplock.end(signal.SIGKILL)
    place[1].rotate_and_vacuum()
    clients.log_in(place[0], "203.0.113.6")
    clients.log_in(place[0], "203.0.113.7")
    poplock.start()
    wait_for(poplock, "203.0.113.5", "203.0.113.6", "203.0.113.7")


def test_a_journalctl_that_is_killed_is_started_again(
    place: tuple[Host, Journal], poplock: Poplock
) -> None:
    clients.log_in(place[0], "203.0.113.5")
    wait_for(poplock, "203.0.113.5")
    place[0].run(["pkill", "-KILL", "-x", "journalctl"])  # in the root's own process namespace
    clients.log_in(place[0], "203.0.113.6")
    wait_for(poplock, "203.0.113.5", "203.0.113.6")
