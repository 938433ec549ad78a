"""qmail's way, under a real tcpserver: the cdb, poplock-check, poplock-allow in its chain.

Debian has no qmail package, so three stand-ins of a few lines take the places of its programs:
one that says what qmail-smtpd would decide by (RELAYCLIENT), one that hands a name and a password
to descriptor 3 as qmail-popup does, and a checkpassword that reads them there.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from poplock.config.maps import DirectorySettings
from poplock.core.clock import SystemClock
from poplock.core.grants import Grant
from poplock.core.table import GrantTable
from poplock.maps.directory import DirectoryMap
from tests.daemon import ROOT, Poplock

CHECK, ALLOW = ROOT / "programs" / "poplock-check", ROOT / "programs" / "poplock-allow"
SMTPD = 'printf "%s:%s\\n" "${RELAYCLIENT-unset}" "${POPLOCK_USER-unset}"'

CHECKPASSWORD = """
import os, sys
name, password = os.read(3, 512).split(b"\\0")[:2]
if (name, password) != (b"root", b"secret"):
    sys.exit(1)
os.environ["USER"] = name.decode()
os.execvp(sys.argv[1], sys.argv[1:])
"""
POPUP = """
import os, subprocess, sys
name, password = sys.stdin.buffer.raw.readline().split()
read, write = os.pipe()
os.write(write, name + b"\\0" + password + b"\\0" + b"<1.2@mx>\\0")
os.close(write)
os.dup2(read, 3)
sys.exit(subprocess.run(sys.argv[1:], pass_fds=[3]).returncode)
"""
DAEMON = """
[policy]
window = "{window}"
never = []
never_own = false
[[source]]
type = "spool"
path = "{spool}"
[[map]]
type = "cdb"
path = "{folder}/smtp.cdb"
static = "{folder}/static"
[[map]]
type = "directory"
path = "{folder}/grants"
"""


@contextmanager
def tcpserver(*program: str, cdb: Path | None = None, **env: str) -> Iterator[int]:
    """A tcpserver on a free port of every loopback address."""
    found = shutil.which("tcpserver")
    assert found, "tcpserver is missing: apt-get install ucspi-tcp (scripts/setup servers does)"
    rules = [] if cdb is None else ["-x", str(cdb)]
    server = subprocess.Popen(
        [found, "-v", "-H", "-R", "-l", "mx", *rules, "0", "0", *program],
        stderr=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], **env},
    )
    try:
        assert server.stderr is not None
        port = 0
        while not port:
            line = server.stderr.readline()
            assert line, "tcpserver ended"
            match = re.search(rb"status: 0/", line)
            if match:
                port = listening_port(server.pid)
        yield port
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
        server.stderr.close()  # type: ignore[union-attr]


def listening_port(pid: int) -> int:
    """The TCP port that a process listens on."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        match = re.fullmatch(r"socket:\[(\d+)\]", str(link.readlink()))
        if match:
            inodes.add(match[1])
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[3] == "0A" and words[9] in inodes:
            return int(words[1].partition(":")[2], 16)
    raise AssertionError("tcpserver does not listen")


def talk(port: int, source: str, said: bytes = b"") -> str:
    with socket.create_connection(("127.0.0.1", port), 10, (source, 0)) as sock:
        sock.sendall(said)
        sock.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: sock.recv(4096), b"")).decode().strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool").chmod(0o1733)
    (tmp_path / "static").write_text(
        '127.0.0.9:deny\n127.0.0.8:allow,RELAYCLIENT="@static"\n127.:allow,QMAILQUEUE="/q"\n:allow\n'
    )
    return tmp_path


def daemon(folder: Path, window: str = "60m") -> Poplock:
    return Poplock(folder, DAEMON.format(folder=folder, spool=folder / "spool", window=window))


def pop_chain(folder: Path) -> list[str]:
    for name, text in (("popup", POPUP), ("checkpassword", CHECKPASSWORD)):
        (folder / name).write_text(text)
    python = sys.executable
    return [
        *(python, str(folder / "popup"), python, str(folder / "checkpassword")),
        *(str(ALLOW), "sh", "-c", "echo +OK"),
    ]


def log_in(folder: Path, source: str, password: str = "secret") -> str:
    with tcpserver(*pop_chain(folder), POPLOCK_SPOOL=str(folder / "spool")) as port:
        return talk(port, source, b"root %b\n" % password.encode())


@contextmanager
def smtp(folder: Path) -> Iterator[dict[str, int]]:
    """qmail's two ways side by side: their ports."""
    with (
        tcpserver("sh", "-c", SMTPD, cdb=folder / "smtp.cdb") as cdb,
        tcpserver(str(CHECK), "sh", "-c", SMTPD, POPLOCK_MAP=str(folder / "grants")) as check,
    ):
        yield {"cdb": cdb, "check": check}


def test_a_pop_login_opens_both_ways_for_its_address_until_revoked(folder: Path) -> None:
    with daemon(folder) as poplock, smtp(folder) as ports:
        for port in ports.values():
            assert talk(port, "127.0.0.2") == "unset:unset"
        assert log_in(folder, "127.0.0.2", "wrong") == ""
        assert log_in(folder, "127.0.0.2") == "+OK"
        poplock.until(lambda: len(poplock.grants()) == 1, "the grant")
        poplock.until(lambda: not list((folder / "spool").iterdir()), "what is kept is taken away")
        for name, port in ports.items():
            poplock.until(lambda port=port: talk(port, "127.0.0.2") == ":root", name)
            assert talk(port, "127.0.0.3") == "unset:unset"
        poplock.revoke("127.0.0.2")
        for port in ports.values():
            assert talk(port, "127.0.0.2") == "unset:unset"


def test_the_operators_own_rules_stand(folder: Path) -> None:
    show = SMTPD + '; echo "${QMAILQUEUE-none}"'
    with daemon(folder) as poplock:
        for last in (2, 8, 9):
            poplock.give(f"127.0.0.{last}", "ann")
        with tcpserver("sh", "-c", show, cdb=folder / "smtp.cdb") as port:
            assert talk(port, "127.0.0.2") == ":ann\n/q"
            assert talk(port, "127.0.0.3") == "unset:unset\n/q"
            assert talk(port, "127.0.0.8") == "@static:unset\nnone"
            with pytest.raises(OSError, match="reset"):
                assert talk(port, "127.0.0.9") == ""
                raise OSError("reset")  # closed without a word is the other way to be denied


def test_an_operators_change_is_taken_up_by_maps_write_and_a_mistake_changes_nothing(
    folder: Path,
) -> None:
    with daemon(folder) as poplock:
        poplock.give("127.0.0.2", "ann")
        (folder / "static").write_text(':allow,NEW="1"\n')
        assert poplock.run("maps", "write").returncode == 0
        show = SMTPD + '; echo "${NEW-old}"'
        with tcpserver("sh", "-c", show, cdb=folder / "smtp.cdb") as port:
            assert talk(port, "127.0.0.2") == ":ann\n1"
            (folder / "static").write_text(":alow\n")
            failed = poplock.run("maps", "write")
            assert failed.returncode == 1
            assert f"{folder}/static:1" in failed.stderr
            assert talk(port, "127.0.0.2") == ":ann\n1"


def test_killed_the_stop_hook_closes_the_cdb_and_a_restart_opens_it_again(folder: Path) -> None:
    with daemon(folder) as poplock, smtp(folder) as ports:
        poplock.give("127.0.0.2", "ann")
        assert talk(ports["cdb"], "127.0.0.2") == ":ann"
        poplock.end(signal.SIGKILL)
        assert poplock.run("maps", "clear").returncode == 0  # systemd's ExecStopPost=
        for port in ports.values():
            assert talk(port, "127.0.0.2") == "unset:unset"
        poplock.start()
        for port in ports.values():
            assert talk(port, "127.0.0.2") == ":ann"
        assert poplock.end(signal.SIGTERM) == 0
        for port in ports.values():
            assert talk(port, "127.0.0.2") == "unset:unset"


def test_killed_without_any_hook_poplock_check_closes_when_the_window_ends(folder: Path) -> None:
    with daemon(folder) as poplock, smtp(folder) as ports:
        poplock.give("127.0.0.2", "ann", 2)
        assert talk(ports["check"], "127.0.0.2") == ":ann"
        poplock.end(signal.SIGKILL)
        poplock.until(lambda: talk(ports["check"], "127.0.0.2") == "unset:unset", "the end", 5)
        assert (folder / "grants" / "127.0.0.2").exists()


def test_a_login_while_the_daemon_is_down_is_counted_when_it_is_back(folder: Path) -> None:
    assert log_in(folder, "127.0.0.4") == "+OK"
    with daemon(folder) as poplock:
        (grant,) = poplock.grants()
        assert (grant["network"], grant["user"]) == ("127.0.0.4/32", "root")


@pytest.mark.parametrize("spool", ["/nowhere", "/dev/null", ""])
def test_poplock_allow_never_fails_a_login(folder: Path, spool: str) -> None:
    with tcpserver(*pop_chain(folder), POPLOCK_SPOOL=spool) as port:
        assert talk(port, "127.0.0.2", b"root secret\n") == "+OK"


def check(folder: Path, program: str = SMTPD, **env: str) -> str:
    """poplock-check by itself, as tcpserver starts it."""
    result = subprocess.run(
        [str(CHECK), "sh", "-c", program],
        env={"PATH": os.environ["PATH"], "POPLOCK_MAP": str(folder), **env},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""
    return result.stdout.strip()


def write_map(folder: Path, *networks: str, ahead: float = 100, user: str = "ann") -> None:
    clock, table = SystemClock(), GrantTable()
    now = clock.now()
    for network in networks:
        table.give(Grant(network, user, "log", "x", now, now, now + ahead))  # type: ignore[arg-type]
    map_ = DirectoryMap(DirectorySettings(path=str(folder)), clock)
    map_.replace_all(list(table))
    map_.publish()


@pytest.mark.parametrize(
    ("prefix", "inside", "outside"),
    [
        (64, ["2001:db8:1:2::", "2001:db8:1:2:3:4:5:6", "2001:DB8:1:2::9"], ["2001:db8:1:3::1"]),
        (56, ["2001:db8:1:2ff::1", "2001:db8:1:200::"], ["2001:db8:1:300::1", "2001:db8:1:2::"]),
        (128, ["2001:db8:1:2::9"], ["2001:db8:1:2::8"]),
        (48, ["2001:db8:1::", "2001:db8:1:ffff::1"], ["2001:db8:2::1", "::1", "1::"]),
        (20, ["2001:d00::1", "2001:db8::1"], ["2001:1000::1"]),
    ],
)
def test_poplock_check_finds_ipv6_networks(
    tmp_path: Path, prefix: int, inside: list[str], outside: list[str]
) -> None:
    from ipaddress import IPv6Network

    write_map(tmp_path, str(IPv6Network(f"{inside[-1]}/{prefix}", strict=False)))
    for ip in inside:
        assert check(tmp_path, TCPREMOTEIP=ip) == ":ann", ip
        assert check(tmp_path, TCP6REMOTEIP=ip) == ":ann", ip
    for ip in outside:
        assert check(tmp_path, TCPREMOTEIP=ip) == "unset:unset", ip


def test_poplock_check_folds_mapped_addresses(tmp_path: Path) -> None:
    write_map(tmp_path, "203.0.113.9/32", user="ann of example.org")
    assert check(tmp_path, TCPREMOTEIP="::ffff:203.0.113.9") == ":ann of example.org"


def test_poplock_check_has_rblsmtpd_pass_unless_the_operator_blocks(tmp_path: Path) -> None:
    write_map(tmp_path, "203.0.113.9/32")
    seen = 'echo "[${RBLSMTPD-unset}]"'
    assert check(tmp_path, seen, TCPREMOTEIP="203.0.113.9") == "[]"
    assert check(tmp_path, seen, TCPREMOTEIP="203.0.113.9", RBLSMTPD="-go away") == "[-go away]"
    assert check(tmp_path, seen, TCPREMOTEIP="203.0.113.8") == "[unset]"


def test_poplock_check_leaves_a_static_relayclient_alone(tmp_path: Path) -> None:
    write_map(tmp_path, "203.0.113.9/32")
    assert check(tmp_path, TCPREMOTEIP="203.0.113.9", RELAYCLIENT="@x") == "@x:unset"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "\n",
        "99999999999",
        "abc boot 1 ann\n",
        "99999999999999999999 {boot} n ann\n",
        "1 {boot} 203.0.113.9/32 ann\n",
        "999999999 another-boot 203.0.113.9/32 ann\n",
        "999999999 {boot}\n",
        "\0\0\0",
        "$(touch /tmp/x) {boot} n ann\n",
    ],
)
def test_poplock_check_grants_nothing_by_a_file_that_is_not_right(
    tmp_path: Path, line: str
) -> None:
    text = line.replace("{boot}", SystemClock().boot_id())
    (tmp_path / "203.0.113.9").write_text(text)
    assert check(tmp_path, TCPREMOTEIP="203.0.113.9") == "unset:unset"


@pytest.mark.parametrize(
    "ip",
    [
        "",
        ".",
        "..",
        "../../etc/passwd",
        "*",
        "203.0.113.*",
        "::",
        ":::",
        ":",
        "1:",
        ":1",
        "1::2::3",
        "1:2:3:4:5:6:7:8:9",
        "12345::",
        "::12345",
        "64:ff9b::1.2.3.4",
        "::ffff:1.2.3.4.5",
        "a b",
        "$(id)",
        "fe80::1%eth0",
        "1:2:3",
        "f" * 300,
    ],
)
def test_poplock_check_goes_on_whatever_the_address_looks_like(tmp_path: Path, ip: str) -> None:
    write_map(tmp_path, "2001:db8::/64")
    assert check(tmp_path, TCPREMOTEIP=ip) == "unset:unset"
