"""What does a login cost while poplock is there, absent, or stopped (SIGSTOP)?

Real Dovecots of both Debian releases in roots of their own, told by the lines of `poplock setup`:
the auth policy's two ways. An IMAP client logs in again and again, one connection after another;
the time is from its LOGIN to Dovecot's OK. Plain Dovecot, with none of it, is measured in the same
root. Takes root, and some minutes.
"""

import os
import signal
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

from poplock.config.sources import DovecotAuthPolicySettings
from testbed import clients, servers
from testbed.host import Host
from testbed.roots import RELEASES
from testbed.servers.dovecot_http import Configured, policy_lines, version
from tests.daemon import Poplock

from .common import Row, row

SOURCE = DovecotAuthPolicySettings(listen=("inet:127.0.0.1:4081",))
CONFIG = '[[source]]\ntype = "dovecot_auth_policy"\nlisten = ["inet:127.0.0.1:4081"]\n'
ADDRESS = "203.0.113.5"


def run(quick: bool = False) -> list[Row]:
    count = 5 if quick else 30
    rows: list[Row] = []
    for release in RELEASES:
        with (
            Host(release, servers.DOVECOT_POSTFIX, servers.PREPARE_POSTFIX) as host,
            tempfile.TemporaryDirectory() as folder,
        ):
            servers.start_rsyslog(host)
            servers.start_dovecot(host)
            rows += _release(host, Path(folder), count)
    return rows


def _release(host: Host, folder: Path, count: int) -> list[Row]:
    dovecot = Configured(host)
    poplock = Poplock(folder, CONFIG, partial(host.popen, inside=False))
    rows = []

    def measure(what: str) -> None:
        times = [_login(host) for _ in range(count + 1)][1:]  # the first finds no process ready
        rows.append(_row(f"Dovecot {version(host)}, {what}", times))

    dovecot.restart("")
    measure("no auth policy")
    for way, name in ((1, "after-auth"), (2, "report")):
        dovecot.restart(policy_lines(host, SOURCE, way=way))
        with poplock:
            measure(f"{name}, poplock there")
            os.kill(poplock.child.pid, signal.SIGSTOP)
            try:
                measure(f"{name}, poplock stopped")
            finally:
                os.kill(poplock.child.pid, signal.SIGCONT)
        measure(f"{name}, poplock absent")
    return rows


def _login(host: Host) -> float:
    """Milliseconds from LOGIN to OK."""
    client = clients.imap(host, ADDRESS)
    start = time.perf_counter()
    client.login("alice", "secret-alice")
    took = time.perf_counter() - start
    client.logout()
    return took * 1000


def _row(figure: str, times: list[float]) -> Row:
    ninth = statistics.quantiles(times, n=10)[-1]
    said = f"{statistics.median(times):.1f} ms, 90 % within {ninth:.1f} ms"
    return row(f"IMAP login, {figure}", said, "–", times)
