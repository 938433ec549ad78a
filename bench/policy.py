"""How near does the policy service come to a minimal C server?

The real `poplock run` with 5,000 grants against c/epoll_policy.c, under c/load.c: 8 and 64
persistent connections, one request outstanding on each, half of the clients granted, every reply
checked. Beside them the null loop: an asyncio protocol that does nothing but reply, which is as
fast as a server on that library can be. In turns, ratios per turn, medians.

The generator has a processor of its own, and must not be the limit of either server. It isn't where
the server is busy all the time and the generator is not; both are reported. The CPU time that an
answer costs each server leaves the generator out altogether: the target is held against that too.
"""

import statistics
import sys

from . import common
from .common import Row, compiled, cpu_seconds, daemon, fill, load, place, row, running

GRANTS = 5000


def run(quick: bool = False) -> list[Row]:
    rounds, seconds = (3, 0.5) if quick else (11, 1.0)
    peers = (common.free_port(), common.free_port())
    with place() as here:
        fill(here, GRANTS)
        with (
            daemon(here) as our_pid,
            running([compiled("epoll_policy"), peers[0], GRANTS], common.SERVER_CPU) as c_pid,
            running([sys.executable, "-m", "bench.null_loop", peers[1]], common.SERVER_CPU) as null,
        ):
            servers = ((our_pid, here.port), (c_pid, peers[0]), (null, peers[1]))
            for port in peers:
                common.wait_for(lambda port=port: common.listens(port), "the peer")
            rows = []
            for connections, least in ((8, 0.5), (64, 0.45)):
                turns = [
                    [_loaded(pid, port, connections, seconds) for pid, port in servers]
                    for _ in range(rounds)
                ]
                rows += _rows(connections, least, turns)
    return rows


def _loaded(pid: int, port: int, connections: int, seconds: float) -> Row:
    """A run of the generator, with the share of its time that the server was busy."""
    before = cpu_seconds(pid)
    result = load(port, connections, seconds, GRANTS)
    busy = cpu_seconds(pid) - before
    each = busy / result["with_warm_up"]
    return result | {"each": each, "server_cpu": each * result["rate"]}


def _rows(connections: int, least: float, turns: list[list[Row]]) -> list[Row]:
    ours, c, null = (list(results) for results in zip(*turns, strict=True))

    def middle(results: list[Row], key: str) -> float:
        return statistics.median(r[key] for r in results)

    def ratios(key: str, a: list[Row], b: list[Row]) -> list[float]:
        return [x[key] / y[key] for x, y in zip(a, b, strict=True)]

    def said(results: list[Row]) -> str:
        server, generator = middle(results, "server_cpu"), middle(results, "cpu")
        rate = middle(results, "rate")
        return f"{rate:,.0f}/s (server {server:.0%} busy, generator {generator:.0%})"

    return [
        row(
            f"policy requests/s, {connections} connections, of C",
            said(ours),
            f"C {said(c)}",
            ratios("rate", ours, c),
            least=least,
            turns=turns,
        ),
        row(
            f"policy answers per CPU second, {connections} connections, of C",
            f"{middle(ours, 'each') * 1e6:.1f} µs each",
            f"C {middle(c, 'each') * 1e6:.1f} µs each",
            ratios("each", c, ours),
            least=least,
        ),
        row(
            f"policy requests/s, {connections} connections, of the null loop",
            f"{middle(ours, 'rate'):,.0f}/s",
            f"null loop {middle(null, 'rate'):,.0f}/s",
            ratios("rate", ours, null),
        ),
        row(
            f"policy p99, {connections} connections, of C's",
            f"{middle(ours, 'p99_us'):,.0f} µs",
            f"C {middle(c, 'p99_us'):,.0f} µs",
            ratios("p99_us", ours, c),
            most=3 if connections == 64 else None,
        ),
    ]
