"""How much memory does the daemon need at 100,000 grants?

The resident size of the real `poplock run` (VmRSS of /proc/PID/status), each grant its own user's
and its own IPv4 address's: after it has read them from its store, and after it has learnt them
from a log. The second figure of each is with an open session per grant. Its parts: the
interpreter with asyncio alone, and the daemon without a grant.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from . import common
from .common import Place, Row, daemon, fill, login_line, place, row

GRANTS = 100_000
LIMIT = 60
SETTLED = 2.0  # seconds for sweeps and the last commit


def run(quick: bool = False) -> list[Row]:
    rounds = 1 if quick else 3
    rows = []
    bare = f"interpreter alone {_interpreter():.1f}, daemon without grants {_empty():.1f}"
    for sessions, most in ((False, LIMIT), (True, None)):
        kind = ", each with an open session" if sessions else ""
        stored = [_from_store(sessions) for _ in range(rounds)]
        read = [_from_log(sessions) for _ in range(rounds)]
        limit = f"limit {LIMIT} MiB" if most else "–"
        for way, values in (("from the store", stored), ("from a log", read)):
            figure = f"MiB RSS at {GRANTS:,} grants{kind}, {way}"
            rows.append(row(figure, bare, limit, values, most=most))
    return rows


def rss(pid: int) -> float:
    """Resident memory in MiB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def _interpreter() -> float:
    code = "import asyncio, sqlite3, time; print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        size = rss(child.pid)
        child.kill()
    return size


def _empty() -> float:
    with place() as here, daemon(here) as pid:
        time.sleep(SETTLED)
        return rss(pid)


def _from_store(sessions: bool) -> float:
    with place() as here:
        fill(here, GRANTS, sessions=sessions)
        with daemon(here) as pid:
            return _settled(here, pid)


def _from_log(sessions: bool) -> float:
    with place() as here:
        with here.log.open("wb") as log:
            log.writelines(login_line(i, session=sessions) for i in range(GRANTS))
        os.sync()
        with daemon(here) as pid:
            common.wait_for(here.caught_up, "the end of the log", every=0.2)
            return _settled(here, pid)


def _settled(here: Place, pid: int) -> float:
    time.sleep(SETTLED)
    held = here.status()["grants"]
    if held != GRANTS:
        raise RuntimeError(f"{held} grants instead of {GRANTS}\n{here.errors()}")
    return rss(pid)
