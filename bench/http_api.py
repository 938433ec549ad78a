"""How many logins a second does the HTTP API acknowledge?

The real `poplock run` against a minimal server on the same uvicorn, h11 and starlette
(`http_minimal.py`), under the same load in turns: batches of 100, and single logins. Ours checks a
token and each item, remembers the id, gives a grant and has it on disk before it answers; the
minimal server does none of that and shows what the libraries leave.

How many come a second depends on what else the machine does meanwhile; the CPU time that a login
costs each server does so less.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from poplock.sources.tokens import make_token

from . import common
from .common import (
    CLIENT_CPU,
    SERVER_CPU,
    Place,
    Row,
    cpu_seconds,
    daemon,
    pin,
    place,
    row,
    running,
)
from .memory import rss

CONNECTIONS = 8
LOADS = ((100, "in batches of 100"), (1, "one a request"))


def run(quick: bool = False) -> list[Row]:
    rounds, seconds = (3, 1.0) if quick else (7, 3.0)
    ours, minimal = common.free_port(), common.free_port()
    rows = []
    for items, how in LOADS:
        with place() as here:
            token = _add_source(here, ours)
            before = _empty()
            config = here.folder / "poplock.toml"
            with (
                _server(ours, here, "poplock", "run", "--config", config) as pid,
                _server(minimal, here, "bench.http_minimal", minimal) as minimal_pid,
            ):
                memory = rss(pid)
                turns = [
                    (
                        _load(pid, ours, token, items, seconds),
                        _load(minimal_pid, minimal, token, items, seconds),
                    )
                    for _ in range(rounds)
                ]
            rows += _rows(how, turns)
        if items > 1:
            rows.append(_memory(before, memory))
    return rows


def _add_source(here: Place, port: int) -> str:
    token, kept = make_token("bench")
    (here.folder / "tokens").write_text(f"bench logins {kept} rate=9999999/s\n")
    with (here.folder / "poplock.toml").open("a") as config:
        config.write(
            f'[[source]]\ntype = "http"\nlisten = ["inet:127.0.0.1:{port}"]\n'
            f'tokens_file = "{here.folder}/tokens"\n'
        )
    return token


def _empty() -> float:
    """MiB of a daemon without the source."""
    with place() as here, daemon(here) as pid:
        time.sleep(1.0)
        return rss(pid)


@contextmanager
def _server(port: int, here: Place, *module: object) -> Iterator[int]:
    """A module as a program, once it listens.

    With typing_extensions, which the extra `web` brings: `as_installed/` would hide it.
    """
    with running(
        [sys.executable, "-m", *module], SERVER_CPU, here.folder / f"stderr.{port}", PYTHONPATH=""
    ) as pid:
        common.wait_for(lambda: common.listens(port), str(module[0]))
        yield pid


def _load(pid: int, port: int, token: str, items: int, seconds: float) -> Row:
    """A run of the generator, with the CPU time that each login cost the server."""
    command = [sys.executable, "-m", "bench.http_load", port, token, items, CONNECTIONS, seconds]
    before = cpu_seconds(pid)
    done = subprocess.run(
        [str(word) for word in command],
        check=True,
        capture_output=True,
        timeout=common.PATIENCE,
        preexec_fn=pin(CLIENT_CPU),
    )
    result: Row = json.loads(done.stdout)
    return result | {"each": (cpu_seconds(pid) - before) / result["told"]}


def _rows(how: str, turns: list[tuple[Row, Row]]) -> list[Row]:
    ours, minimal = ([turn[i] for turn in turns] for i in (0, 1))

    def said(results: list[Row]) -> str:
        rates = [r["rate"] for r in results]
        return f"{statistics.median(rates):,.0f}/s ({min(rates):,.0f}–{max(rates):,.0f})"

    def cost(results: list[Row]) -> str:
        return f"{statistics.median(r['each'] for r in results) * 1e6:.1f} µs each"

    return [
        row(
            f"HTTP logins per CPU second, {how}, of a minimal server",
            cost(ours),
            f"minimal {cost(minimal)}",
            [b["each"] / a["each"] for a, b in turns],
            turns=turns,
        ),
        row(
            f"HTTP logins/s, {how}, of a minimal server",
            said(ours),
            f"minimal {said(minimal)}",
            [a["rate"] / b["rate"] for a, b in turns],
        ),
    ]


def _memory(without: float, with_http: float) -> Row:
    return row(
        "MiB RSS that the HTTP source costs",
        f"{with_http:.1f} with it",
        f"{without:.1f} without",
        [with_http - without],
    )
