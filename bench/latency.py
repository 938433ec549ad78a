"""How soon after the login may a user send, and does a long log make an MTA wait?

1. A line is appended to the log that a real `poplock run` follows; a client asks over one
   persistent connection until the answer is permit. The time counts from just before the write.
2. 8 connections ask without a pause while the daemon reads 150 MB of log that it finds at its
   start: the p99 of their answers, from the first second of the reading to its end.
"""

import json
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from . import common
from .common import Row, address, compiled, daemon, fill, login_line, pin, place, row
from .forms import POLICY

LOGINS = 1000
MOST_ASKED = 100_000  # questions about one login before the bench gives up
CATCH_UP_BYTES = 150_000_000
GRANTS = 5000


def run(quick: bool = False) -> list[Row]:
    rounds = 1 if quick else 5
    return [*_login_to_permit(100 if quick else LOGINS), *_while_catching_up(rounds, quick)]


def _login_to_permit(logins: int) -> list[Row]:
    here_cpu = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {common.CLIENT_CPU})
    try:
        with place() as here:
            common.wait_for(here.log.exists, "the log")
            with (
                daemon(here),
                socket.create_connection(("127.0.0.1", here.port)) as sock,
                here.log.open("ab", buffering=0) as log,
            ):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                times = sorted(one_login(log, sock, i) for i in range(logins))
    finally:
        os.sched_setaffinity(0, here_cpu)
    p50, p99 = times[len(times) // 2] * 1e3, times[len(times) * 99 // 100] * 1e3
    ours = f"{logins} logins, max {times[-1] * 1e3:.2f} ms"
    return [
        row("login written → permit, p50 in ms", ours, "limit 2 ms", [p50], most=2),
        row("login written → permit, p99 in ms", ours, "limit 10 ms", [p99], most=10),
    ]


def one_login(log: FileIO, sock: socket.socket, number: int) -> float:
    request = (
        f"request=smtpd_access_policy\nclient_address={address(number)}\nsender=\n\n"
    ).encode()
    line = login_line(number)
    time.sleep(random.uniform(0.001, 0.02))  # not in step with anything of the daemon's
    start = time.perf_counter()
    log.write(line)
    for _ in range(MOST_ASKED):
        sock.sendall(request)
        if sock.recv(256) == b"action=OK\n\n":
            return time.perf_counter() - start
    raise TimeoutError(f"login {number} earned no permit")


def _while_catching_up(rounds: int, quick: bool) -> list[Row]:
    p99s, took, ratios = [], [], []
    size = CATCH_UP_BYTES // (10 if quick else 1)
    for _ in range(rounds):
        with place() as here:
            fill(here, GRANTS)
            _write_log(here.log, size)
            start = time.monotonic()
            with daemon(here):
                result = _load_until_caught_up(here)
                took.append(time.monotonic() - start)
                events = here.status()["sources"][0]["events"]
            p99s.append(result["p99_us"] / 1e3)
            ratios.append(result["rate"])
    ours = (
        f"{size / 1e6:.0f} MB read in {min(took):.1f}–{max(took):.1f} s beside"
        f" {min(ratios):,.0f}–{max(ratios):,.0f} answers/s; {events:,} events"
    )
    return [row("policy p99 in ms, 8 connections, catching up", ours, "limit 1 ms", p99s, most=1)]


def _load_until_caught_up(here: common.Place) -> Row:
    command = [compiled("load"), str(here.port), "8", str(common.PATIENCE), str(GRANTS)]
    command += POLICY.load_arguments()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, preexec_fn=pin(common.CLIENT_CPU)
    ) as child:
        try:
            common.wait_for(here.caught_up, "the end of the log", every=0.1)
        finally:
            child.send_signal(signal.SIGTERM)
        out, _ = child.communicate(timeout=30)
    result: Row = json.loads(out)
    return result


def _write_log(path: Path, size: int) -> None:
    """A mail server's log of the last half hour: one line in three a login, a third mail."""
    block = b"".join(_lines(20_000))
    with path.open("wb") as log:
        while log.tell() < size:
            log.write(block)


def _lines(count: int) -> Iterator[bytes]:
    dice = random.Random(1)  # the same log each time
    stamp = time.strftime("%b %e %H:%M:%S", time.localtime(time.time() - 1800)).encode()
    for i in range(count):
        number = dice.randrange(GRANTS)
        match i % 3:
            case 0:
                yield stamp + login_line(number, session=False)[len(stamp) :]
            case 1:
                yield (
                    stamp
                    + (
                        f" mx dovecot: imap(user{number}@example.org)<{i}><nobody+{i:06d}>:"
                        " Disconnected: Logged out in=312 out=1788 deleted=0 expunged=0\n"
                    ).encode()
                )
            case _:
                yield (
                    stamp
                    + (
                        f" mx postfix/smtpd[{i}]: connect from h{number}.example[198.51.100.7]\n"
                    ).encode()
                )
