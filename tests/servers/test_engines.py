"""The testbed's Redis and Valkey do what tests of many hosts rely on: fail, and come back."""

import socket
import ssl
from collections.abc import Iterator

import pytest

from testbed.engines import FLAVOURS, Cluster, Sentinels, Server
from testbed.engines.server import TLS
from testbed.roots import TestbedError


@pytest.fixture(params=FLAVOURS)
def flavour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(flavour: str) -> Iterator[Server]:
    with Server(flavour) as running:
        yield running


def test_a_server_keeps_what_it_was_told_over_a_kill_and_nothing_without_its_disk(
    server: Server,
) -> None:
    server.cli("SET", "a", "1")
    server.restart()
    assert server.cli("GET", "a") == "1"
    server.restart(empty=True)
    assert server.cli("GET", "a") == ""


def test_a_stopped_server_says_nothing_until_it_goes_on(server: Server) -> None:
    with server.place.connect(server.port, 0.2) as sock:
        server.stop()
        sock.sendall(b"PING\r\n")
        with pytest.raises(TimeoutError):
            sock.recv(10)
        server.cont()
        sock.settimeout(20)
        assert sock.recv(10) == b"+PONG\r\n"


def test_a_full_server_refuses_writes(flavour: str) -> None:
    limits = {"maxmemory": "1", "maxmemory-policy": "noeviction"}
    with Server(flavour, limits) as server, pytest.raises(TestbedError, match="OOM"):
        server.cli("SET", "a", "1")


def test_a_changed_password_ends_connections_and_refuses_the_old_one(flavour: str) -> None:
    users = ["user default off", "user mail on >old ~* &* +@all"]
    with Server(flavour, users=users) as server, server.place.connect(server.port) as sock:
        sock.sendall(b"AUTH mail old\r\n")
        assert sock.recv(10) == b"+OK\r\n"
        server.change_password("new", "mail")
        assert sock.recv(10) == b""
        with pytest.raises(TestbedError, match="WRONGPASS"):
            server.cli("AUTH", "mail", "old")
        assert server.cli("AUTH", "mail", "new") == "OK"


def test_tls_takes_only_clients_with_a_certificate_of_the_authority(flavour: str) -> None:
    with Server(flavour, tls=True) as server:
        context = ssl.create_default_context(cafile=f"{TLS}/ca.pem")
        context.load_cert_chain(f"{TLS}/client.pem", f"{TLS}/client.key")
        with context.wrap_socket(
            server.place.connect(server.port), server_hostname="127.0.0.1"
        ) as sock:
            sock.sendall(b"PING\r\n")
            assert sock.recv(10) == b"+PONG\r\n"
        stranger = ssl.create_default_context(cafile=f"{TLS}/ca.pem")
        with (
            pytest.raises((ssl.SSLError, ConnectionResetError)),
            stranger.wrap_socket(
                server.place.connect(server.port), server_hostname="127.0.0.1"
            ) as sock,
        ):
            sock.sendall(b"PING\r\n")
            sock.recv(10)


@pytest.mark.parametrize("flavour", ["redis-bookworm", "valkey-trixie"])
def test_sentinels_choose_another_master_when_asked_and_when_it_is_killed(flavour: str) -> None:
    with Sentinels(flavour) as six:
        first = six.master
        first.cli("SET", "a", "1")
        second = six.failover()
        assert second is not first
        six.settled()
        third = six.kill_master()
        assert third.cli("GET", "a") == "1"
        second.start()
        second.until(second.in_step, "the old master follows the new one")


@pytest.mark.parametrize("flavour", ["redis-trixie", "valkey-trixie"])
def test_a_cluster_survives_each_way_of_losing_a_master(flavour: str) -> None:
    with Cluster(flavour) as cluster:
        first = cluster.master_of("a")
        first.cli("SET", "a", "1")
        second = cluster.failover(first)
        assert cluster.master_of("a") is second
        assert cluster.kill_master(second) is first
        assert first.cli("GET", "a") == "1"
        second.start()
        cluster.settled()
        other = cluster.master_of("b")
        before = sum(len(slots) for slots in other.row().slots)
        cluster.reshard(20, first, other)
        assert sum(len(slots) for slots in other.row().slots) == before + 20


def test_two_servers_find_ports_of_their_own() -> None:
    with Server() as one, Server() as other:
        assert one.port != other.port
        with socket.create_connection((one.place.address, one.port)):
            pass
