"""DRAC found through a real rpcbind by a client on libtirpc; RADIUS told by radclient."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from testbed.host import SERVER4, Host, TestbedError
from tests.daemon import Poplock

PACKAGES = ("rpcbind", "netbase", "freeradius-utils")
PORT, ACCOUNTING = 10901, 1813
CONFIG = """
[[source]]
type = "drac"
listen = ["udp:0.0.0.0:10901", "inet:0.0.0.0:10901", "udp:[::1]:10901"]
user = "pop"
[[source]]
type = "radius"
listen = ["udp:127.0.0.1:1813"]
clients_file = "{clients}"
"""


@pytest.fixture(scope="module")
def host(release: str) -> Iterator[Host]:
    with Host(release, PACKAGES) as made:
        yield made


@pytest.fixture
def poplock(host: Host, tmp_path: Path) -> Poplock:
    clients = tmp_path / "clients"
    clients.write_text("127.0.0.0/8 xyzzy\n")
    clients.chmod(0o600)
    text = CONFIG.format(clients=clients)
    return Poplock(tmp_path, text, partial(host.popen, inside=False))


@pytest.fixture
def rpcbind(host: Host) -> Iterator[None]:
    host.run(["sh", "-c", "rpcbind -f & echo $! > /run/rpcbind.pid"])
    try:
        wait_for(lambda: "portmapper" in registered(host), "rpcbind")
        yield
    finally:
        host.run(["sh", "-c", "kill $(cat /run/rpcbind.pid)"])
        wait_for(lambda: not registered(host), "the end of rpcbind")


def wait_for(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def registered(host: Host) -> str:
    """What rpcbind knows, as clients of old ask it."""
    try:
        return host.run(["rpcinfo", "-p", "127.0.0.1"])
    except TestbedError:
        return ""


@pytest.fixture(scope="session")
def drac_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = Path(__file__).with_name("drac_client.c")
    program = tmp_path_factory.mktemp("drac") / "drac_client"
    command = ["cc", "-O1", "-I/usr/include/tirpc", "-o", program, source, "-ltirpc"]
    subprocess.run(command, check=True)
    return program


def rows(text: str) -> set[tuple[str, ...]]:
    return {tuple(line.split()[1:4]) for line in text.splitlines() if line.split()[0] == "900101"}


def test_a_client_finds_poplock_through_rpcbind_and_its_logins_grant(
    host: Host, poplock: Poplock, rpcbind: None, drac_client: Path
) -> None:
    everywhere = {(v, t, str(PORT)) for v in "12" for t in ("udp", "tcp")}

    def add(kind: str, version: int, address: str) -> str:
        command = [str(drac_client), "127.0.0.1", kind, str(version), address]
        return host.run(command, inside=False).strip()

    with poplock:
        poplock.until(lambda: rows(registered(host)) == everywhere, "four registrations")
        for kind, last in (("udp", 9), ("tcp", 10)):
            assert add(kind, 1, f"203.0.113.{last}") == "0"
            assert add(kind, 2, f"2001:db8:b8:ff{last}::f0") == "0"
            assert poplock.run("check", f"203.0.113.{last}").returncode == 0
            assert poplock.run("check", f"2001:db8:b8:ff{last}::1").returncode == 0
        assert {row["user"] for row in poplock.rows("list")} == {"pop"}
        for kind in ("udp", "tcp"):
            said = host.run(["rpcinfo", "-T", kind, "127.0.0.1", "900101"])
            assert [v for v in "12" if f"version {v} ready and waiting" in said] == ["1", "2"]
        assert "900101" in host.run(["rpcinfo"])
        assert poplock.rows("status")[0]["health"] == "ok"
        # From another address of this host, which is not among the peers.
        command = [str(drac_client), SERVER4, "udp", "1", "203.0.113.12"]
        assert host.run(command, inside=False).strip() == "1"
        assert poplock.run("check", "203.0.113.12").returncode == 1
    assert rows(registered(host)) == set(), "taken out at the end"


def test_a_killed_daemon_is_registered_anew_with_its_new_port(
    host: Host, poplock: Poplock, rpcbind: None
) -> None:
    with poplock:
        poplock.until(lambda: len(rows(registered(host))) == 4, "four registrations")
        poplock.end(signal.SIGKILL)
        assert len(rows(registered(host))) == 4
        poplock.config.write_text(poplock.config.read_text().replace("10901", "10902"))
        poplock.start()
        poplock.until(lambda: {r[2] for r in rows(registered(host))} == {"10902"}, "the new port")


def test_without_rpcbind_it_is_a_trouble_and_nothing_more(host: Host, poplock: Poplock) -> None:
    with poplock:
        poplock.until(lambda: poplock.rows("status")[0]["health"] == "trouble", "a trouble")
        (trouble,) = poplock.rows("status")[0]["troubles"]
        assert "rpcbind" in trouble
        assert poplock.log.read_text().count("rpcbind: ") == 1
        said = host.run(["rpcinfo", "-a", "127.0.0.1.42.149", "-T", "udp", "900101", "1"])
        assert "ready and waiting" in said


START = 'Acct-Session-Id = "5F-01", User-Name = "ann@example.org", NAS-IP-Address = 192.0.2.1'


def tell(host: Host, pairs: str, secret: str = "xyzzy") -> subprocess.CompletedProcess[bytes]:
    """One Accounting-Request by radclient, which checks the response's authenticator."""
    command = ["radclient", "-x", "-r", "1", "-t", "2", f"127.0.0.1:{ACCOUNTING}", "acct", secret]
    with host.popen(command, stdin=subprocess.PIPE, stdout=-1, stderr=-2) as child:
        out, _ = child.communicate(pairs.encode() + b"\n", 30)
        return subprocess.CompletedProcess(command, child.returncode, out)


def test_radclient_starts_and_stops_sessions(host: Host, poplock: Poplock) -> None:
    with poplock:
        poplock.until(lambda: "is ready:" in poplock.log.read_text(), "ready")
        address = ", Framed-IP-Address = 203.0.113.9, Framed-IPv6-Address = 2001:db8:1::9"
        prefix = ", Framed-IPv6-Prefix = 2001:db8:2::/64"
        status = "Acct-Status-Type = "
        for said in (
            tell(host, f"{status}Start, {START}"),
            tell(host, f"{status}Interim-Update, {START}{address}{prefix}, Proxy-State = 0x6162"),
        ):
            assert (said.returncode, b"Accounting-Response" in said.stdout) == (0, True), said
        for permitted in ("203.0.113.9", "2001:db8:1::1", "2001:db8:2::1"):
            assert poplock.run("check", permitted).returncode == 0
        signed = tell(host, f"{status}Stop, {START}, Message-Authenticator = 0x00")
        assert signed.returncode == 0, signed.stdout
        for over in ("203.0.113.9", "2001:db8:1::1", "2001:db8:2::1"):
            assert poplock.run("check", over).returncode == 1
        wrong = tell(host, f"{status}Start, {START}{address}", secret="plugh")
        assert (wrong.returncode, b"Accounting-Response" in wrong.stdout) == (1, False)
        assert poplock.rows("list") == []
        (radius,) = [s for s in poplock.rows("status")[0]["sources"] if s["source"] == "radius"]
        assert radius["refused"] == 1
