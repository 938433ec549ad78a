"""A whole daemon with every answer: each protocol over its real sockets, in the three states."""

import os
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.daemon import Poplock

CONFIG = """
[policy]
never = []
never_own = false
[[answer]]
type = "postfix_policy"
listen = "unix:{folder}/policy"
[[answer]]
type = "socketmap"
listen = "unix:{folder}/socketmap"
patience = 0
[[answer]]
type = "tcp_table"
listen = "inet:127.0.0.1:{tcp_table}"
patience = 0
[[answer]]
type = "line"
listen = "unix:{folder}/line"
patience = 0
[[answer]]
type = "line"
listen = "inet:127.0.0.1:{strangers}"
ask = ["192.0.2.0/24"]
[[answer]]
type = "dns"
listen = "udp:127.0.0.1:{dns}"
zone = "relay.example.org"
patience = 0
[[answer]]
type = "dns"
listen = "inet:127.0.0.1:{dns}"
zone = "relay.example.org"
patience = 0
"""


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(type=kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Asker:
    """The clients of each protocol: what they are told about an address."""

    def __init__(self, folder: Path, ports: dict[str, int]) -> None:
        self._folder = folder
        self._ports = ports

    def _stream(self, where: str, request: bytes) -> bytes:
        if where in self._ports:
            sock = socket.create_connection(("127.0.0.1", self._ports[where]), 10)
        else:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(10)
            sock.connect(str(self._folder / where))
        with sock:
            sock.sendall(request)
            sock.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: sock.recv(4096), b""))

    def socketmap(self, ip: str) -> str:
        request = b"poplock " + ip.encode()
        reply = self._stream("socketmap", b"%d:%b," % (len(request), request))
        return reply.partition(b":")[2].partition(b" ")[0].decode()

    def tcp_table(self, ip: str) -> str:
        return self._stream("tcp_table", b"get %b\n" % ip.encode())[:3].decode()

    def line(self, ip: str) -> str:
        return self._stream("line", b"check %b\n" % ip.encode()).decode()

    def dns_over_udp(self, ip: str) -> str:
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.settimeout(10)
            sock.sendto(_question(ip), ("127.0.0.1", self._ports["dns"]))
            return _rcode(sock.recv(512))

    def dns_over_tcp(self, ip: str) -> str:
        message = _question(ip)
        return _rcode(self._stream("dns", struct.pack("!H", len(message)) + message)[2:])

    def stranger(self) -> bytes:
        try:
            return self._stream("strangers", b"check 203.0.113.9\n")
        except OSError:  # it was closed before we had said all
            return b""


def _question(ip: str) -> bytes:
    labels = [*reversed(ip.split(".")), "relay", "example", "org"]
    name = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
    return struct.pack("!6H", 4711, 0x0100, 1, 0, 0, 0) + name + struct.pack("!2H", 1, 1)


def _rcode(reply: bytes) -> str:
    ident, flags, _, answers, _, _ = struct.unpack_from("!6H", reply)
    assert ident == 4711
    return {(0, 1): "found", (3, 0): "NXDOMAIN", (2, 0): "SERVFAIL"}[flags & 15, answers]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[tuple[Poplock, Asker]]:
    ports = {name: free_port() for name in ("tcp_table", "strangers", "dns")}
    with Poplock(tmp_path, CONFIG.format(folder=tmp_path, **ports)) as poplock:
        yield poplock, Asker(tmp_path, ports)


SAYS = {
    "socketmap": ("OK", "NOTFOUND"),
    "tcp_table": ("200", "500"),
    "line": ("yes", "no"),
    "dns_over_udp": ("found", "NXDOMAIN"),
    "dns_over_tcp": ("found", "NXDOMAIN"),
}


def test_each_protocol_permits_who_has_a_grant_and_nobody_else(
    started: tuple[Poplock, Asker],
) -> None:
    poplock, asker = started
    poplock.give("203.0.113.9", "ann")
    for name, (yes, no) in SAYS.items():
        ask: Callable[[str], str] = getattr(asker, name)
        assert (ask("203.0.113.9"), ask("203.0.113.10")) == (yes, no), name
    assert asker.line("::ffff:203.0.113.9") == "yes"
    assert asker.socketmap("mail.example.org") == "NOTFOUND"
    poplock.revoke("203.0.113.9")
    for name, (_, no) in SAYS.items():
        assert getattr(asker, name)("203.0.113.9") == no, name


def test_a_stranger_is_closed_unheard_and_counted(started: tuple[Poplock, Asker]) -> None:
    poplock, asker = started
    assert asker.stranger() == b""
    status = poplock.status()
    assert [a["refused"] for a in status["answers"]] == [0, 0, 0, 0, 1, 0, 0]


WRONG = ("mail.example.org", "203.0.113.999", "203.0.113.9.9", "203.0.113.9/32", "9" * 65_536)


@pytest.mark.parametrize("key", WRONG, ids=lambda key: key[:20])
def test_a_key_that_is_no_address_permits_nobody_and_disturbs_nobody(
    started: tuple[Poplock, Asker], key: str
) -> None:
    poplock, asker = started
    poplock.run("grant", "203.0.113.9", "--user", "ann")
    for name in ("socketmap", "tcp_table", "line"):
        try:
            assert getattr(asker, name)(key) in {SAYS[name][1], ""}, name
        except OSError:  # closed while we still wrote
            assert len(key) > 50_000
    for name, (yes, no) in SAYS.items():
        ask: Callable[[str], str] = getattr(asker, name)
        assert (ask("203.0.113.9"), ask("203.0.113.10")) == (yes, no), name


def test_garbage_at_one_answer_is_no_trouble_to_another(started: tuple[Poplock, Asker]) -> None:
    poplock, asker = started
    poplock.give("203.0.113.9", "ann")
    junk = os.urandom(100_000)
    for where in ("socketmap", "tcp_table", "line", "dns"):
        try:
            asker._stream(where, b"\xff" + junk)
        except OSError:
            continue  # closed while we still wrote
    for name, (yes, _) in SAYS.items():
        assert getattr(asker, name)("203.0.113.9") == yes, name
