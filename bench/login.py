"""What poplock adds to a login: from PASS sent to +OK read, beside the same server without it.

Ways, each beside its bare twin, login by login in turns: qmail's chain under a real tcpserver with
poplock-allow; a real Courier with poplock-allow in its chain; a real Dovecot with poplock-allow as
its post-login script; a real Dovecot whose log is read, which adds nothing to the login itself but
has a daemon at work beside it. With the daemon running, absent, and stopped (SIGSTOP). A login that
fails is an error of the bench.

To tell what is the shell's share, and Dovecot's own: the chain with such a program in C, and a
post-login script that does nothing, beside which poplock-allow's is put.
"""

import os
import shutil
import signal
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

from testbed import servers
from testbed.host import Host
from testbed.servers import password
from tests.daemon import ROOT, Poplock

from .common import SERVER_CPU, Row, compiled, free_port, listens, row, running, wait_for

ALLOW = ROOT / "programs" / "poplock-allow"
USER, CLIENT = "alice", "203.0.113.5"
DROP_BOX = "/var/spool/poplock"
MOST = 1.0  # ms
WARM_UP = 5  # logins of each way that aren't counted: caches, process pools

Connect = Callable[[], socket.socket]


def run(quick: bool = False) -> list[Row]:
    rounds, logins = (3, 30) if quick else (15, 100)
    rows = []
    for name, way in WAYS.items():
        with way() as (bare, ours, poplock):
            for state in ("running", "absent", "stopped"):
                with _daemon(poplock, state):
                    figure = f"added to a login, {name}, daemon {state}, ms"
                    rows.append(_row(figure, bare, ours, rounds, logins, MOST))
    for name, part in PARTS.items():
        with part() as (bare, ours, _):
            figure = f"added to a login, {name}, ms"
            rows.append(_row(figure, bare, ours, rounds, logins, None))
    return rows


def _row(
    figure: str, bare: Connect, ours: Connect, rounds: int, logins: int, most: float | None
) -> Row:
    """One comparison, in turns."""
    for connect in (bare, ours) * WARM_UP:
        _log_in(connect)
    turns: list[tuple[list[float], list[float]]] = []
    for _ in range(rounds):
        pairs = [(_log_in(bare), _log_in(ours)) for _ in range(logins)]
        turns.append(([a for a, _ in pairs], [b for _, b in pairs]))
    without, with_ = (sorted(x for t in turns for x in t[i]) for i in (0, 1))
    added = [(statistics.median(b) - statistics.median(a)) * 1e3 for a, b in turns]
    return row(figure, _summary(with_), f"bare {_summary(without)}", added, most=most)


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
def _daemon(poplock: Poplock, state: str) -> Iterator[None]:
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
def _qmail(program: Path) -> Iterator[Way]:
    pop3 = compiled("pop3")
    parent = Path(DROP_BOX).parent  # where drop boxes are: the file system counts
    with (
        tempfile.TemporaryDirectory(prefix="poplock-bench-") as folder,
        tempfile.TemporaryDirectory(prefix="poplock-bench-", dir=parent) as spool,
        ExitStack() as exits,
    ):
        ports = [
            exits.enter_context(_tcpserver(pop3, between, spool)) for between in ([], [program])
        ]
        bare, ours = (partial(socket.create_connection, ("127.0.0.1", p)) for p in ports)
        # The client is on this host, whose addresses earn nothing by default.
        config = (
            '[policy]\nnever = []\nnever_own = false\n[[source]]\ntype = "spool"\npath = "{}"\n'
        )
        yield bare, ours, Poplock(Path(folder), config.format(spool))


@contextmanager
def _tcpserver(pop3: Path, between: list[Path], spool: str) -> Iterator[int]:
    found, port = shutil.which("tcpserver"), free_port()
    if found is None:
        raise FileNotFoundError("tcpserver: apt-get install ucspi-tcp")
    chain = [pop3, "popup", pop3, "checkpassword", *between, pop3, "pop3d"]
    command = [found, "-HR", "-l", "mx", "-c", "1000", "127.0.0.1", port, *chain]
    with running(command, SERVER_CPU, POPLOCK_SPOOL=spool):
        wait_for(lambda: listens(port), "tcpserver")
        yield port


@contextmanager
def _twins(
    source: str, packages: tuple[str, ...], prepare: str = ""
) -> Iterator[tuple[Host, Host, Poplock]]:
    """Two roots alike; the daemon reads the drop box or the log of the second."""
    with (
        Host("bookworm", packages, prepare) as bare,
        Host("bookworm", packages, prepare) as ours,
        tempfile.TemporaryDirectory(prefix="poplock-bench-") as folder,
    ):
        for host in (bare, ours):
            servers.start_rsyslog(host)
            host.write("/usr/bin/poplock-allow", ALLOW.read_text(), 0o755)
            (host.shared / "spool").mkdir()
            (host.shared / "spool").chmod(0o1733)
            host.run(["ln", "-s", "/shared/spool", DROP_BOX])
        path = ours.shared / ("spool" if source == "spool" else "log/mail.log")
        config = f'[[source]]\ntype = "{source}"\npath = "{path}"\n'
        yield bare, ours, Poplock(Path(folder), config, ours.popen_with_users)


@contextmanager
def _courier() -> Iterator[Way]:
    with _twins("spool", servers.COURIER) as (bare, ours, poplock):
        lines = poplock.run("setup", "courier-chain").stdout
        ours.write("/tmp/lines", lines.replace(f"{ours.shared}/spool", DROP_BOX))
        ours.run(["sh", "-e", "/tmp/lines"])
        for host in (bare, ours):
            servers.start_courier(host)
            # A cheap hash: yescrypt takes longer, and less evenly, than all the rest of a login.
            host.run(["sh", "-c", f'usermod -p "$(openssl passwd -1 {password(USER)})" {USER}'])
        yield (*(partial(host.connect, CLIENT, 110) for host in (bare, ours)), poplock)


@contextmanager
def _dovecot(bare_script: str = "", script: str = "") -> Iterator[Way]:
    packages, prepare = servers.DOVECOT_POSTFIX, servers.PREPARE_POSTFIX
    with _twins("spool" if script else "file", packages, prepare) as (bare, ours, poplock):
        for host, post_login in ((bare, bare_script), (ours, script)):
            servers.start_dovecot(host)
            if post_login:
                host.write("/usr/bin/nothing", '#!/bin/sh\nexec "$@"\n', 0o755)
                config = host.run(["cat", "/etc/dovecot/dovecot.conf"])
                host.write("/etc/dovecot/dovecot.conf", config + POST_LOGIN.format(post_login))
                host.run(["doveadm", "stop"])
                host.run(["dovecot"])
                host.wait_for_port(110)
        yield (*(partial(host.connect, CLIENT, 110) for host in (bare, ours)), poplock)


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
    "Dovecot with a post-login script and poplock-allow": partial(_dovecot, NOTHING, AS_SCRIPT),
    "Dovecot's log": _dovecot,
}
PARTS: dict[str, Callable[[], AbstractContextManager[Way]]] = {
    "tcpserver and such a program in C": lambda: _qmail(compiled("allow")),
    "Dovecot's own part of a post-login script": partial(_dovecot, "", NOTHING),
}
