"""How many WHOSON queries a second over UDP, and how near is that to the event loop's own limit?

The real `poplock run` with 5,000 grants and the source `whoson`, against a server in the same event
loop that always says the same (`null_datagram.py`), under c/whoson_load.c: 8 and 64 sockets, one
QUERY outstanding on each, half of the clients granted, every verdict checked. In turns, ratios per
turn, medians. The generator has a processor of its own.
"""

import json
import statistics
import subprocess
import sys

from . import common
from .common import Row, compiled, daemon, fill, place, row, running

GRANTS = 5000


def run(quick: bool = False) -> list[Row]:
    rounds, seconds = (3, 0.5) if quick else (11, 1.0)
    ours, null = common.free_port(), common.free_port()
    source = f'[[source]]\ntype = "whoson"\nlisten = ["udp:127.0.0.1:{ours}"]\n'
    with place(more=source) as here:
        fill(here, GRANTS)
        command = [sys.executable, "-m", "bench.null_datagram", null]
        with daemon(here), running(command, common.SERVER_CPU):
            common.wait_for(here.caught_up, "the daemon")
            common.wait_for(lambda: _answers(null), "the null server")
            rows = []
            for sockets in (8, 64):
                turns = [
                    (
                        _loaded(ours, sockets, seconds, "right"),
                        _loaded(null, sockets, seconds, "any"),
                    )
                    for _ in range(rounds)
                ]
                rows += _rows(sockets, turns)
    return rows


def _answers(port: int) -> bool:
    try:
        _loaded(port, 1, 0.01, "any")
    except subprocess.CalledProcessError:
        return False
    return True


def _loaded(port: int, sockets: int, seconds: float, replies: str) -> Row:
    """A run of the generator."""
    command = [compiled("whoson_load"), str(port), str(sockets), str(seconds), str(GRANTS), replies]
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        timeout=common.PATIENCE,
        preexec_fn=common.pin(common.CLIENT_CPU),
    )
    result: Row = json.loads(done.stdout)
    return result


def _rows(sockets: int, turns: list[tuple[Row, Row]]) -> list[Row]:
    def said(which: int) -> str:
        middle = {
            key: statistics.median(turn[which][key] for turn in turns)
            for key in ("rate", "p99_us", "cpu")
        }
        return f"{middle['rate']:,.0f}/s, p99 {middle['p99_us']:,.0f} µs"

    def ratios(key: str) -> list[float]:
        return [ours[key] / null[key] for ours, null in turns]

    peer = f"null server {said(1)}"
    return [
        row(f"WHOSON queries/s, {sockets} sockets, of the loop's", said(0), peer, ratios("rate")),
        row(f"WHOSON p99, {sockets} sockets, of the loop's", said(0), peer, ratios("p99_us")),
    ]
