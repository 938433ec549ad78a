"""What poplock adds to a login: from PASS sent to +OK read, beside the same server without it.

Ways, each beside its bare twin, login by login in turns: qmail's chain under a real tcpserver with
poplock-allow; a real Courier with poplock-allow in its chain; a real Dovecot with poplock-allow as
its post-login script; a real Dovecot whose log is read, which adds nothing to the login itself but
has a daemon at work beside it. With the daemon running, absent, and stopped (SIGSTOP). A login that
fails is an error of the bench. `auth_policy` measures Dovecot's auth policy in the same way.

To tell what is the shell's share, and Dovecot's own: the chain with such a program in C, and a
post-login script that does nothing, beside which poplock-allow's is put.
"""

import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from testbed import servers
from testbed.host import Host
from testbed.servers import password
from testbed.servers.dovecot_http import Configured
from tests.daemon import ROOT, Poplock

from .common import SERVER_CPU, Row, compiled, free_port, listens, row, running, wait_for

ALLOW = ROOT / "programs" / "poplock-allow"
USER, CLIENT = "alice", "203.0.113.5"
DROP_BOX = Path("/var/spool/poplock")
MOST = 1.0  # ms
STATES = ("running", "absent", "stopped")
WARM_UP = 5  # logins of each way that aren't counted: caches, process pools

Connect = Callable[[], socket.socket]


def run(quick: bool = False) -> list[Row]:
    rounds, logins = (3, 30) if quick else (15, 100)
    rows = []
    for name, way in WAYS.items():
        with way() as (bare, ours, poplock):
            for state in STATES:
                with daemon(poplock, state):
                    figure = f"{name}, daemon {state}"
                    rows.append(added(figure, bare, ours, rounds, logins, MOST))
    for name, part in PARTS.items():
        with part() as (bare, ours, _):
            rows.append(added(name, bare, ours, rounds, logins, None))
    return rows


def added(
    what: str, bare: Connect, ours: Connect, rounds: int, logins: int, most: float | None
) -> Row:
    """What a login takes longer, in turns."""
    for connect in (bare, ours) * WARM_UP:
        _log_in(connect)
    turns = []
    for _ in range(rounds):
        turns.append([(_log_in(bare), _log_in(ours)) for _ in range(logins)])
    without, with_ = (sorted(pair[i] for t in turns for pair in t) for i in (0, 1))
    # Of each pair, which ran at nearly the same moment: what else the machine does meets both.
    more = [statistics.median(b - a for a, b in t) * 1e3 for t in turns]
    figure = f"added to a login, {what}, ms"
    return row(figure, _summary(with_), f"bare {_summary(without)}", more, most=most)


def _summary(seconds: list[float]) -> str:
    p99 = seconds[int(len(seconds) * 0.99)]
    return f"{statistics.median(seconds) * 1e3:.2f} ms, p99 {p99 * 1e3:.2f}"


def _log_in(connect: Connect) -> float:
    """One login; the seconds from its PASS to the answer. ValueError where it isn't +OK."""
    with connect() as sock, sock.makefile("rb") as said:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _expect(said.readline())
        sock.sendall(b"USER %b\r\n" % USER.encode())
        _expect(said.readline())
        start = time.perf_counter()
        sock.sendall(b"PASS %b\r\n" % password(USER).encode())
        _expect(said.readline())
        taken = time.perf_counter() - start
        sock.sendall(b"QUIT\r\n")
        _expect(said.readline())
    return taken


def _expect(line: bytes) -> None:
    if not line.startswith(b"+OK"):
        raise ValueError(f"a login failed: {line!r}")


@contextmanager
def daemon(poplock: Poplock, state: str) -> Iterator[None]:
    """`poplock run` with a grant that shows it works, or none, or one that is stopped."""
    if state == "absent":
        yield
        return
    with poplock:
        pid = poplock.child.pid
        if state == "stopped":
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)
        poplock.until(lambda: bool(poplock.rows("list")), "a grant of all these logins")


Way = tuple[Connect, Connect, Poplock]


@contextmanager
def _disk() -> Iterator[Path]:
    """A drop box on ext4 as Debian's installer makes it: with a journal.

    Without one, as on some rented machines, ext4 leaves an inode alone for minutes after its file
    was removed, and looks at each of them before it takes another. That makes a new file 0.3 ms
    dearer where thousands of logins were told within those minutes, as here, and nowhere else.
    """
    with tempfile.TemporaryDirectory(prefix="poplock-bench-", dir="/var/tmp") as folder:
        image, place = Path(folder, "image"), Path(folder, "disk")
        with image.open("wb") as file:
            file.truncate(256 << 20)
        place.mkdir()
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, place], check=True)
        try:
            place.chmod(0o1733)
            yield place
        finally:
            subprocess.run(["umount", place], check=True)


@contextmanager
def _own_disk() -> Iterator[Path]:
    """A drop box on what this machine has."""
    with tempfile.TemporaryDirectory(prefix="poplock-bench-", dir=DROP_BOX.parent) as folder:
        yield Path(folder)


@contextmanager
def _qmail(
    program: Path, drop_box: Callable[[], AbstractContextManager[Path]] = _disk
) -> Iterator[Way]:
    pop3 = compiled("pop3")
    with (
        tempfile.TemporaryDirectory(prefix="poplock-bench-") as folder,
        drop_box() as spool,
        _tcpserver(pop3, [], spool) as bare,
        _tcpserver(pop3, [program], spool) as ours,
    ):
        # The client is on this host, whose addresses earn nothing by default.
        config = f"[policy]\nnever = []\nnever_own = false\n{_SPOOL.format(spool)}"
        yield bare, ours, Poplock(Path(folder), config)


_SPOOL = '[[source]]\ntype = "spool"\npath = "{}"\n'


@contextmanager
def _tcpserver(pop3: Path, between: list[Path], spool: Path) -> Iterator[Connect]:
    found, port = shutil.which("tcpserver"), free_port()
    if found is None:
        raise FileNotFoundError("tcpserver: apt-get install ucspi-tcp")
    chain = [pop3, "popup", pop3, "checkpassword", *between, pop3, "pop3d"]
    command = [found, "-HR", "-l", "mx", "-c", "1000", "127.0.0.1", port, *chain]
    with running(command, SERVER_CPU, POPLOCK_SPOOL=spool):
        wait_for(lambda: listens(port), "tcpserver")
        yield partial(socket.create_connection, ("127.0.0.1", port))


@contextmanager
def twins(
    packages: tuple[str, ...], prepare: str = "", release: str = "bookworm"
) -> Iterator[tuple[Host, Host, Path]]:
    """Two roots alike, and a folder for a daemon."""
    with (
        tempfile.TemporaryDirectory(prefix="poplock-bench-") as folder,
        Host(release, packages, prepare) as bare,
        Host(release, packages, prepare) as ours,
    ):
        for host in (bare, ours):
            servers.start_rsyslog(host)
        yield bare, ours, Path(folder)


def by_pop3(bare: Host, ours: Host) -> tuple[Connect, Connect]:
    """Both by their POP3 servers."""
    return partial(bare.connect, CLIENT, 110), partial(ours.connect, CLIENT, 110)


def _tell_by_drop_box(host: Host, disk: Path, folder: Path) -> Poplock:
    """Put poplock-allow into a root, its drop box on that disk; a daemon that reads it there."""
    host.write("/usr/bin/poplock-allow", ALLOW.read_text(), 0o755)
    device = disk.stat().st_dev
    host.run(["mknod", "/dev/drop-box", "b", str(os.major(device)), str(os.minor(device))])
    host.run(["mkdir", "-p", str(DROP_BOX)])
    host.run(["mount", "/dev/drop-box", str(DROP_BOX)])
    return Poplock(folder, _SPOOL.format(disk), host.popen_with_users)


@contextmanager
def _courier() -> Iterator[Way]:
    with _disk() as disk, twins(servers.COURIER) as (bare, ours, folder):
        poplock = _tell_by_drop_box(ours, disk, folder)
        lines = poplock.run("setup", "courier-chain").stdout
        ours.write("/tmp/lines", lines.replace(str(disk), str(DROP_BOX)))
        ours.run(["sh", "-e", "/tmp/lines"])
        for host in (bare, ours):
            servers.start_courier(host)
            # A cheap hash: yescrypt takes longer, and less evenly, than all the rest of a login.
            host.run(["sh", "-c", f'usermod -p "$(openssl passwd -1 {password(USER)})" {USER}'])
        yield *by_pop3(bare, ours), poplock


@contextmanager
def _dovecot_log() -> Iterator[Way]:
    with twins(servers.DOVECOT_POSTFIX, servers.PREPARE_POSTFIX) as (bare, ours, folder):
        for host in (bare, ours):
            servers.start_dovecot(host)
        config = f'[[source]]\ntype = "file"\npath = "{ours.shared}/log/mail.log"\n'
        yield *by_pop3(bare, ours), Poplock(folder, config)


@contextmanager
def _dovecot_post_login(bare_script: str, script: str) -> Iterator[Way]:
    packages, prepare = servers.DOVECOT_POSTFIX, servers.PREPARE_POSTFIX
    with _disk() as disk, twins(packages, prepare) as (bare, ours, folder):
        poplock = _tell_by_drop_box(ours, disk, folder)
        for host, post_login in ((bare, bare_script), (ours, script)):
            servers.start_dovecot(host)
            host.write("/usr/bin/nothing", '#!/bin/sh\nexec "$@"\n', 0o755)
            lines = POST_LOGIN.format(post_login) if post_login else ""
            Configured(host).restart(lines, proof=False)
        yield *by_pop3(bare, ours), poplock


POST_LOGIN = """
service pop3 {{
  executable = pop3 pop3-postlogin
}}
service pop3-postlogin {{
  executable = script-login {}
  unix_listener pop3-postlogin {{
  }}
}}
"""
NOTHING, AS_SCRIPT = "/usr/bin/nothing", "/usr/bin/poplock-allow --service=pop3"

WAYS: dict[str, Callable[[], AbstractContextManager[Way]]] = {
    "tcpserver and poplock-allow": partial(_qmail, ALLOW),
    "Courier and poplock-allow": _courier,
    "Dovecot with a post-login script and poplock-allow": partial(
        _dovecot_post_login, NOTHING, AS_SCRIPT
    ),
    "Dovecot's log": _dovecot_log,
}
PARTS: dict[str, Callable[[], AbstractContextManager[Way]]] = {
    "tcpserver and such a program in C": lambda: _qmail(compiled("allow")),
    "tcpserver and poplock-allow, drop box on this machine's disk": partial(
        _qmail, ALLOW, _own_disk
    ),
    "Dovecot's own part of a post-login script": partial(_dovecot_post_login, "", NOTHING),
}
