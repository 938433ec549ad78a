"""How fast are logs read, beside a grep that only counts?

A million lines of a mail host's log (maillog.py), read with the daemon's own tail, scanner, policy
and grant table in a process of its own, in turns with `LC_ALL=C grep -c -F '-login: '`: CPU seconds
of each, user and system. One line in a hundred is a login, another one the end of its session; the
log with five of each shows what a login costs. With all dialects on, also beside one dialect, and
beside `grep -c -P` with the pattern that finds the lines which could tell something (its larger
bounds made endless: PCRE writes each repetition out).
"""

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from poplock.dialects import DIALECTS, load
from poplock.dialects.scanner import Scanner

from . import maillog
from .common import PATIENCE, SERVER_CPU, Row, pin, row


def run(quick: bool = False) -> list[Row]:
    lines, rounds = (200_000, 3) if quick else (1_000_000, 9)
    rows = []
    with tempfile.TemporaryDirectory(prefix="poplock-bench-") as name:
        log, pattern = Path(name) / "mail.log", Path(name) / "pattern"
        line = Scanner(load(DIALECTS)).line
        for least, endless in ((b"0", b"*"), (b"1", b"+")):
            line = re.sub(rb"\{%b,\d{2,}\}" % least, endless, line)
        pattern.write_bytes(b"^" + line)
        for logins, least in ((1, 0.2), (5, None)):
            maillog.write(log, lines, logins)
            turns = [
                (
                    _ours(log, "dovecot"),
                    _ours(log, *DIALECTS),
                    _grep(log, "-F", "--", "-login: "),
                    _grep(log, "-P", "-f", pattern),
                )
                for _ in range(rounds)
            ]
            one, every, grep, pcre = (list(seconds) for seconds in zip(*turns, strict=True))
            kind = f"{logins} login{'s' * (logins > 1)} in 100 lines"
            rows.append(
                row(
                    f"log lines per CPU second, {kind}, of grep's",
                    _rate(lines, one),
                    f"grep {_rate(lines, grep)}",
                    [g / o for g, o in zip(grep, one, strict=True)],
                    least=least,
                )
            )
            rows.append(
                row(
                    f"... with all {len(DIALECTS)} dialects, of one dialect's",
                    _rate(lines, every),
                    f"one {_rate(lines, one)}",
                    [o / e for o, e in zip(one, every, strict=True)],
                    least=0.5,
                )
            )
            rows.append(
                row(
                    "... of grep -c -P's with the same pattern",
                    _rate(lines, every),
                    f"grep -P {_rate(lines, pcre)}",
                    [g / e for g, e in zip(pcre, every, strict=True)],
                )
            )
    return rows


def _rate(lines: int, seconds: list[float]) -> str:
    return f"{lines / statistics.median(seconds) / 1e6:.2f} M lines/s"


def _ours(log: Path, *dialects: str) -> float:
    command = [sys.executable, "-m", "bench.read_log", log, *dialects]
    done = subprocess.run(
        command, check=True, capture_output=True, timeout=PATIENCE, preexec_fn=pin(SERVER_CPU)
    )
    return float(json.loads(done.stdout)["seconds"])


def _grep(log: Path, *options: str | Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        ["grep", "-c", *options, log],
        check=True,
        stdout=subprocess.PIPE,  # to /dev/null, GNU grep would stop at the first match
        env=os.environ | {"LC_ALL": "C"},
        preexec_fn=pin(SERVER_CPU),
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
