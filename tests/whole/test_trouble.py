"""A daemon with a log, a policy socket and a store, and what can happen to them."""

import gzip
import os
import resource
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Poplock

OK, DUNNO = b"action=OK\n\n", b"action=DUNNO\n\n"
DEFER = b"action=DEFER_IF_REJECT relay authorization unavailable, try again later\n\n"


class World:
    """One daemon that reads `mail.log` and answers on `policy.sock`."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "mail.log"
        self.socket = folder / "policy.sock"
        self.poplock = Poplock(
            folder,
            f"[[source]]\ntype = 'file'\npath = '{self.log}'\ndialects = ['dovecot']\n"
            f"[[answer]]\ntype = 'postfix_policy'\nlisten = 'unix:{self.socket}'\n"
            "patience = 0\nrequest_timeout = 1\nmax_connections = 40\n",
        )

    def ask(self, client: str) -> bytes:
        """One request over a connection of its own."""
        with self.connect() as sock:
            return ask(sock, client)

    def connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(20)
        sock.connect(str(self.socket))
        return sock

    def log_in(self, client: str, *, before: bytes = b"") -> None:
        with self.log.open("ab") as log:
            log.write(before + line(client))

    def until(self, client: str, reply: bytes) -> None:
        self.poplock.until(lambda: self.ask(client) == reply, f"{client}: {reply!r}")

    def source(self) -> dict[str, object]:
        found: dict[str, object] = self.poplock.status()["sources"][0]
        return found


def line(client: str) -> bytes:
    stamp = time.strftime("%b %e %H:%M:%S")
    return (
        f"{stamp} mx dovecot: imap-login: Login: user=<ann@example.org>, method=PLAIN,"
        f" rip={client}, lip=192.0.2.1, mpid=7, TLS\n"
    ).encode()


def ask(sock: socket.socket, client: str) -> bytes:
    sock.sendall(
        b"request=smtpd_access_policy\nprotocol_state=RCPT\nsender=ann@example.org\n"
        b"client_address=" + client.encode() + b"\n\n"
    )
    return sock.recv(4096)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    with world.poplock:
        yield world


def test_a_full_disk_defers_and_heals_without_losing_a_login(world: World) -> None:
    world.log_in("198.51.100.1")
    world.until("198.51.100.1", OK)
    pid, unlimited = world.poplock.child.pid, resource.RLIM_INFINITY
    # No file may grow: what write(2) says then is close to a full disk's, and needs none.
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, unlimited))
    world.log_in("198.51.100.2")
    world.until("198.51.100.2", DEFER)
    assert world.ask("198.51.100.1") == DEFER
    status = world.poplock.status()
    assert status["health"] == "trouble"
    assert str(world.poplock.folder / "poplock.db") in status["troubles"][0]
    assert world.poplock.run("check", "198.51.100.1").returncode == 75
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
    world.until("198.51.100.2", OK)
    world.poplock.end(signal.SIGKILL)
    world.poplock.start()
    assert (world.ask("198.51.100.1"), world.ask("198.51.100.2")) == (OK, OK)


def test_a_store_that_was_deleted_defers(world: World) -> None:
    (world.poplock.folder / "poplock.db").unlink()
    world.log_in("198.51.100.1")
    world.until("198.51.100.1", DEFER)
    assert "was removed or replaced" in world.poplock.status()["troubles"][0]


def test_hostile_lines_are_skipped_and_counted_and_others_read(world: World) -> None:
    huge = b"x" * 1_000_000
    world.log_in("198.51.100.1", before=huge + b"\n")
    world.log_in("198.51.100.2", before=b"\0\0\0\n\xff\xfe\xfa dovecot: imap-login: Login: \xff\n")
    cut = line("198.51.100.66")
    world.log_in("198.51.100.3", before=cut[:60] + b"\n" + b"junk " + cut)
    for client in ("198.51.100.1", "198.51.100.2", "198.51.100.3"):
        world.until(client, OK)
    assert world.ask("198.51.100.66") == DUNNO
    world.poplock.until(lambda: world.source()["skipped"] == 2, "one too long, one cut off")


def test_rotations_lose_no_login(world: World) -> None:
    world.log_in("198.51.100.1")
    world.until("198.51.100.1", OK)
    old = world.log.rename(world.log.with_name("mail.log.1"))
    with old.open("ab") as log:
        log.write(line("198.51.100.2"))  # the writer has not been told yet
    world.log.write_bytes(line("198.51.100.3"))
    for client in ("198.51.100.2", "198.51.100.3"):
        world.until(client, OK)
    copy = world.log.read_bytes() + line("198.51.100.4")
    with world.log.open("ab") as log:
        log.write(line("198.51.100.4"))
    world.log.with_name("mail.log.2").write_bytes(copy)
    os.truncate(world.log, 0)  # copytruncate
    world.log_in("198.51.100.5")
    for client in ("198.51.100.4", "198.51.100.5"):
        world.until(client, OK)
    world.log.unlink()
    world.poplock.until(lambda: world.source()["trouble"] is not None, "a missing log is shown")
    world.log_in("198.51.100.6")
    world.until("198.51.100.6", OK)
    world.poplock.until(lambda: world.source()["events"] == 6, "each of them once")


def test_what_was_logged_while_it_was_down_counts_through_a_rotation(world: World) -> None:
    world.log_in("198.51.100.1")
    world.until("198.51.100.1", OK)
    world.poplock.until(lambda: len(world.poplock.history()) == 1, "on disk")
    world.poplock.end(signal.SIGKILL)
    world.log_in("198.51.100.2")
    with gzip.open(world.log.with_name("mail.log.1.gz"), "wb") as packed:
        packed.write(world.log.read_bytes())
    world.log.unlink()
    world.log_in("198.51.100.3")
    world.poplock.start()
    for client in ("198.51.100.1", "198.51.100.2", "198.51.100.3"):
        assert world.ask(client) == OK
    events = [row["event"] for row in world.poplock.history()]
    assert events.count("granted") == 3


def test_hostile_policy_clients_disturb_nobody(world: World) -> None:
    world.log_in("198.51.100.1")
    world.until("198.51.100.1", OK)
    with world.connect() as good:
        assert ask(good, "198.51.100.1") == OK
        with world.connect() as garbage, world.connect() as endless, world.connect() as half:
            half.sendall(b"request=smtpd_access_policy\nclient_add")
            garbage.sendall(b"GET / HTTP/1.1\r\n\r\n\n\n")
            assert garbage.recv(100) == b""
            with pytest.raises(ConnectionError):
                for _ in range(160):
                    endless.sendall(b"x" * 65_536)
            assert ask(good, "198.51.100.1") == OK
            assert half.recv(100) == b""  # after request_timeout
        crowd = [world.connect() for _ in range(60)]
        refused = lambda: world.poplock.status()["answers"][0]["refused"]  # noqa: E731
        world.poplock.until(lambda: refused() >= 20, "too many connections are closed")
        assert ask(good, "198.51.100.1") == OK
        for sock in crowd:
            sock.close()
    said = world.poplock.log.read_text()
    # Those on a unix socket have no names: the first complaint stands for all of a minute.
    assert said.count("refused a local program") == 1
    assert said.count("refused everybody: 40 connections are open") == 1


def test_every_permit_is_logged_and_kept_with_its_user(world: World) -> None:
    world.log_in("198.51.100.1")
    world.until("198.51.100.1", OK)
    source = f"file:{world.log}"
    said = f"permit 198.51.100.1: login of ann@example.org by {source}"
    world.poplock.until(lambda: said in world.poplock.log.read_text(), "the permit in the log")
    world.poplock.end(signal.SIGTERM)
    (used,) = [row for row in world.poplock.rows("history") if row["event"] == "used"]
    assert (used["address"], used["user"]) == ("198.51.100.1", "ann@example.org")


def test_sigterm_ends_it_at_once_and_removes_its_sockets(world: World) -> None:
    with world.connect() as sock:
        assert ask(sock, "198.51.100.1") == DUNNO
        assert world.poplock.end(signal.SIGTERM) == 0
    assert not world.socket.exists()
    assert not world.poplock.control.exists()


def test_systemd_hears_of_the_start_the_watchdog_and_the_end(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        poplock = Poplock(tmp_path, "")
        poplock.start(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="900000")
        assert systemd.recv(200).startswith(b"READY=1\n")
        assert systemd.recv(200).startswith(b"WATCHDOG=1\n")
        assert poplock.end(signal.SIGTERM) == 0
        while (said := systemd.recv(200)) != b"STOPPING=1":
            assert said.startswith(b"WATCHDOG=1\n")


def test_maps_are_empty_while_the_store_cannot_be_asked(tmp_path: Path) -> None:
    """An MTA that reads a map can't be told "unavailable"."""
    relays = tmp_path / "relays"
    config = f'[[map]]\ntype = "text"\nform = "plain"\npath = "{relays}"\n'
    with Poplock(tmp_path, config) as poplock:
        there = lambda: "203.0.113.9\n" in relays.read_text()  # noqa: E731
        poplock.give("203.0.113.9", "ann")
        assert there()
        store = tmp_path / "poplock.db"
        store.rename(store.with_suffix(".away"))
        assert poplock.run("grant", "203.0.113.8", "--user", "bob").returncode == 75
        poplock.until(lambda: not there(), "the map is emptied")
        store.with_suffix(".away").rename(store)
        poplock.until(there, "the map is filled again")
