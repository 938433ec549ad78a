"""The testbed's network of several hosts: cables that are cut or bad, clocks that are wrong."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from testbed.engines import Server
from testbed.place import Place
from testbed.site import Site, clock_off_by


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


@pytest.fixture(scope="module")
def pop1(site: Site) -> Place:
    return site.host("pop1")


@pytest.fixture(scope="module")
def store1(site: Site) -> Place:
    return site.host("store1")


@pytest.fixture(scope="module")
def server(store1: Place) -> Iterator[Server]:
    with Server(place=store1) as running:
        yield running


def connect(pop1: Place, server: Server, seconds: float = 20) -> socket.socket:
    address = (server.place.address, server.port)
    return pop1.make(lambda: socket.create_connection(address, seconds))


def ping(sock: socket.socket) -> float:
    """How long an answer takes."""
    began = time.monotonic()
    sock.sendall(b"PING\r\n")
    assert sock.recv(10) == b"+PONG\r\n"
    return time.monotonic() - began


def test_a_cut_cable_carries_nothing_and_a_healed_one_what_waited(
    site: Site, pop1: Place, server: Server
) -> None:
    with connect(pop1, server) as sock:
        ping(sock)
        site.links["pop1"].cut()
        with pytest.raises(TimeoutError):
            connect(pop1, server, 0.3)
        sock.settimeout(0.3)
        sock.sendall(b"PING\r\n")
        with pytest.raises(TimeoutError):
            sock.recv(10)
        site.links["pop1"].heal()
        sock.settimeout(20)
        assert sock.recv(10) == b"+PONG\r\n"


def test_a_bad_cable_is_late_in_both_directions_and_loses_nothing_of_a_stream(
    site: Site, pop1: Place, server: Server
) -> None:
    site.links["pop1"].delay(50)
    with connect(pop1, server) as sock:
        assert ping(sock) >= 0.1
    site.links["pop1"].delay(1, 0.1)
    with connect(pop1, server) as sock:
        sock.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$300000\r\n%s\r\n" % (b"x" * 300_000))
        assert sock.recv(10) == b"+OK\r\n"
    assert len(server.cli("GET", "a")) == 300_000
    site.links["pop1"].heal()
    with connect(pop1, server) as sock:
        ping(sock)


def test_a_wrong_clock_is_that_of_the_wall_alone() -> None:
    says = "import time; print(time.time(), time.monotonic(), time.clock_gettime(7))"
    said = subprocess.run(
        [sys.executable, "-c", says], env={**os.environ, **clock_off_by(3600)}, capture_output=True
    )
    wall, monotonic, boot = map(float, said.stdout.split())
    assert wall - time.time() == pytest.approx(3600, abs=20)
    assert monotonic == pytest.approx(time.monotonic(), abs=20)
    assert boot == pytest.approx(time.clock_gettime(7), abs=20)
