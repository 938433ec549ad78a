"""How near does the policy service come to a minimal C server?

The real `poplock run` with 5,000 grants against c/epoll.c, under c/load.c: 8 and 64
persistent connections, one request outstanding on each, half of the clients granted, every reply
checked. Beside them the null loop: an asyncio protocol that does nothing but reply, which is as
fast as a server on that library can be. In turns, ratios per turn, medians.

The generator has a processor of its own, and must not be the limit of either server. It isn't where
the server is busy all the time and the generator is not; both are reported. The CPU time that an
answer costs each server leaves the generator out altogether: the target is held against that too.
"""

import statistics
import sys
from collections.abc import Sequence

from . import common
from .common import Row, compiled, cpu_seconds, daemon, fill, load, place, row, running
from .forms import POLICY, Form

GRANTS = 5000


def run(quick: bool = False) -> list[Row]:
    rounds, seconds = (3, 0.5) if quick else (11, 1.0)
    peers = (common.free_port(), common.free_port())
    with place() as here:
        fill(here, GRANTS)
        with (
            daemon(here) as our_pid,
            running(
                [compiled("epoll"), peers[0], GRANTS, *POLICY.server_arguments()], common.SERVER_CPU
            ) as c_pid,
            running([sys.executable, "-m", "bench.null_loop", peers[1]], common.SERVER_CPU) as null,
        ):
            servers = ((our_pid, here.port), (c_pid, peers[0]), (null, peers[1]))
            for port in peers:
                common.wait_for(lambda port=port: common.listens(port), "the peer")
            rows = []
            for connections, least in ((8, 0.5), (64, 0.45)):
                turns = in_turns(servers, rounds, connections, seconds, POLICY)
                rows += figures("policy", connections, least, [(a, c) for a, c, _ in turns])
                rows.append(beside_null("policy", connections, turns))
    return rows


Turn = tuple[Row, Row]
"""One run of ours and one of the C server."""


def loaded(
    pid: int, port: int, connections: int, seconds: float, form: Form, *, awake: bool = False
) -> Row:
    """A run of the generator, with the share of its time that the server was busy."""
    before = cpu_seconds(pid)
    result = load(port, connections, seconds, GRANTS, form, awake=awake)
    busy = cpu_seconds(pid) - before
    each = busy / result["with_warm_up"]
    return result | {"each": each, "server_cpu": each * result["rate"]}


def in_turns(
    servers: Sequence[tuple[int, int]],
    rounds: int,
    connections: int,
    seconds: float,
    form: Form,
    *,
    awake: bool = False,
) -> list[list[Row]]:
    """Of each round, a run of each server (process id, port)."""
    return [
        [loaded(pid, port, connections, seconds, form, awake=awake) for pid, port in servers]
        for _ in range(rounds)
    ]


def figures(name: str, connections: int, least: float | None, turns: list[Turn]) -> list[Row]:
    """Rate, CPU time and p99 of ours beside C's."""
    ours, c = (list(results) for results in zip(*turns, strict=True))

    def said(results: list[Row]) -> str:
        server, generator = _middle(results, "server_cpu"), _middle(results, "cpu")
        rate = _middle(results, "rate")
        return f"{rate:,.0f}/s (server {server:.0%} busy, generator {generator:.0%})"

    return [
        row(
            f"{name} requests/s, {connections} connections, of C",
            said(ours),
            f"C {said(c)}",
            _ratios("rate", ours, c),
            least=least,
            turns=turns,
        ),
        row(
            f"{name} answers per CPU second, {connections} connections, of C",
            f"{_middle(ours, 'each') * 1e6:.1f} µs each",
            f"C {_middle(c, 'each') * 1e6:.1f} µs each",
            _ratios("each", c, ours),
            least=least,
        ),
        row(
            f"{name} p99, {connections} connections, of C's",
            f"{_middle(ours, 'p99_us'):,.0f} µs",
            f"C {_middle(c, 'p99_us'):,.0f} µs",
            _ratios("p99_us", ours, c),
            most=3 if connections == 64 and least is not None else None,
        ),
    ]


def beside_null(name: str, connections: int, turns: list[list[Row]]) -> Row:
    """How much of what a loop can do we do, and how much of C's that would be."""
    ours, c, null = (list(results) for results in zip(*turns, strict=True))
    of_c = statistics.median(_ratios("rate", null, c))
    return row(
        f"{name} requests/s, {connections} connections, of the null loop",
        f"{_middle(ours, 'rate'):,.0f}/s, {_middle(ours, 'each') * 1e6:.1f} µs each",
        f"null loop {_middle(null, 'rate'):,.0f}/s, {_middle(null, 'each') * 1e6:.1f} µs each;"
        f" {of_c:.2f} of C",
        _ratios("rate", ours, null),
    )


def _middle(results: list[Row], key: str) -> float:
    return statistics.median(r[key] for r in results)


def _ratios(key: str, a: list[Row], b: list[Row]) -> list[float]:
    return [x[key] / y[key] for x, y in zip(a, b, strict=True)]
