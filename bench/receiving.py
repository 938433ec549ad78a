"""How many syslog messages a second, beside a server that only counts lines?

A mail host's messages, one login in a hundred, with RFC 3339 stamps, as lines over one TCP
connection and as datagrams from a sender that doesn't wait: messages for each CPU second of the
server, in turns with `count_lines`. UDP drops what a receiver is too slow for; the share that
arrived is said. And: how long do MTAs wait for an answer while 10^5 messages come in?
"""

import os
import socket
import statistics
import sys
import time
from functools import partial

from . import common
from .common import (
    Row,
    address,
    cpu_seconds,
    daemon,
    fill,
    free_port,
    load,
    place,
    row,
    running,
    wait_for,
)
from .forms import POLICY

GRANTS = 5000


def run(quick: bool = False) -> list[Row]:
    rounds, count = (1, 20_000) if quick else (5, 200_000)
    here_cpu = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {common.CLIENT_CPU})
    try:
        rows = [_rates(kind, rounds, count) for kind in ("tcp", "udp")]
    finally:
        os.sched_setaffinity(0, here_cpu)
    return [*rows, _answers(1 if quick else 3)]


def messages(count: int) -> list[bytes]:
    """What rsyslog forwards with RSYSLOG_ForwardFormat."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.250000+00:00", time.gmtime())
    found = []
    for i in range(count):
        if i % 100 == 0:
            text = (
                f"dovecot: imap-login: Login: user=<user{i}@example.org>, method=PLAIN,"
                f" rip={address(i % GRANTS)}, lip=192.0.2.25, mpid={1000 + i % 30_000}, TLS"
            )
        else:
            text = (
                f"postfix/smtpd[{1000 + i % 30_000}]: connect from host{i}.example.net"
                f"[198.51.100.{i % 250}] with a queue id and whatever else stands there"
            )
        found.append(f"<22>{stamp} mx {text}\n".encode())
    return found


def _rates(kind: str, rounds: int, count: int) -> Row:
    sent = messages(count)
    ours, limit, arrived = [], [], []
    for _ in range(rounds):
        port = free_port()
        form = f"{'inet' if kind == 'tcp' else 'udp'}:127.0.0.1:{port}"
        source = f'[[source]]\ntype = "syslog"\nlisten = ["{form}"]\ndialects = ["dovecot"]\n'
        with place(more=source) as here, daemon(here) as pid:
            wait_for(partial(_taken, kind, port), "the source")
            before = cpu_seconds(pid)
            _send(kind, port, sent)
            _quiet(pid)
            got = 100 * next(
                s["events"] for s in here.status()["sources"] if "syslog" in s["source"]
            )
            arrived.append(min(got / count, 1.0))
            ours.append(count * arrived[-1] / (cpu_seconds(pid) - before))
        port = free_port()
        command = [sys.executable, "-m", "bench.count_lines", kind, port]
        with running(command, common.SERVER_CPU) as pid:
            wait_for(partial(_taken, kind, port), "the counter")
            before = cpu_seconds(pid)
            _send(kind, port, sent)
            _quiet(pid)
            limit.append(count / max(cpu_seconds(pid) - before, 0.01))
    share = f", {min(arrived):.0%}–{max(arrived):.0%} arrived" if kind == "udp" else ""
    return row(
        f"syslog messages per CPU second over {kind.upper()}, of a line counter's",
        f"{statistics.median(ours) / 1e3:.0f} k/s{share}",
        f"counter {statistics.median(limit) / 1e3:.0f} k/s",
        [o / li for o, li in zip(ours, limit, strict=True)],
        rates=ours,
    )


def _send(kind: str, port: int, sent: list[bytes]) -> None:
    if kind == "tcp":
        with socket.create_connection(("127.0.0.1", port)) as sock:
            for start in range(0, len(sent), 100):  # as a busy rsyslog does: batches
                sock.sendall(b"".join(sent[start : start + 100]))
        return
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        for message in sent:
            sock.sendto(message, ("127.0.0.1", port))


def _taken(kind: str, port: int) -> bool:
    """Whether somebody has the port."""
    with socket.socket(type=socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _quiet(pid: int) -> None:
    """Until the process has done nothing for a while."""
    last = -1.0
    while (now := cpu_seconds(pid)) != last:
        last = now
        time.sleep(0.3)


def _answers(rounds: int) -> Row:
    sent, busy, idle = messages(100_000), [], []
    for _ in range(rounds):
        port = free_port()
        more = f'[[source]]\ntype = "syslog"\nlisten = ["inet:127.0.0.1:{port}"]\n'
        with place(more=more) as here:
            fill(here, GRANTS)
            with daemon(here):
                wait_for(partial(_taken, "tcp", port), "the source")
                idle.append(load(here.port, 8, 2.0, GRANTS, POLICY))
                pid = os.fork()
                if pid == 0:
                    try:
                        _send("tcp", port, sent)
                    finally:
                        os._exit(0)
                busy.append(load(here.port, 8, 2.0, GRANTS, POLICY))
                os.waitpid(pid, 0)
    longest = [f"{max(r['max_us'] for r in some) / 1e3:.0f} ms" for some in (busy, idle)]
    quiet = statistics.median(r["p99_us"] for r in idle) / 1e3
    return row(
        "p99 of answers in ms while 10^5 messages come in over TCP",
        f"longest {longest[0]}",
        f"without them {quiet:.3g}, longest {longest[1]}",
        [r["p99_us"] / 1e3 for r in busy],
    )
