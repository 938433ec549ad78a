"""How near does the policy service come to a minimal C server?

The real `poplock run` with 5,000 grants against c/epoll_policy.c, under c/load.c: 8 and 64
persistent connections, one request outstanding on each, half of the clients granted, every reply
checked. Beside them the null loop: an asyncio protocol that does nothing but reply, which is as
fast as a server on that library can be. In turns, ratios per turn, medians.

The generator has a processor of its own. It is not the limit for us as long as it reaches a
clearly higher rate against C and is itself less busy against us than there; both are reported.
"""

import statistics
import sys

from . import common
from .common import Row, compiled, daemon, fill, load, place, row, running

GRANTS = 5000


def run(quick: bool = False) -> list[Row]:
    rounds, seconds = (3, 0.5) if quick else (11, 1.0)
    peers = (common.free_port(), common.free_port())
    with place() as here:
        fill(here, GRANTS)
        with (
            daemon(here),
            running([compiled("epoll_policy"), peers[0], GRANTS], common.SERVER_CPU),
            running([sys.executable, "-m", "bench.null_loop", peers[1]], common.SERVER_CPU),
        ):
            for port in peers:
                common.wait_for(lambda port=port: common.listens(port), "the peer")
            rows = []
            for connections, least in ((8, 0.5), (64, 0.45)):
                turns = [
                    [load(p, connections, seconds, GRANTS) for p in (here.port, *peers)]
                    for _ in range(rounds)
                ]
                rows += _rows(connections, least, turns)
    return rows


def _rows(connections: int, least: float, turns: list[list[Row]]) -> list[Row]:
    ours, c, null = (list(results) for results in zip(*turns, strict=True))

    def middle(results: list[Row], key: str) -> float:
        return statistics.median(r[key] for r in results)

    def ratios(key: str, a: list[Row], b: list[Row]) -> list[float]:
        return [x[key] / y[key] for x, y in zip(a, b, strict=True)]

    busy = {"generator_cpu_ours": middle(ours, "cpu"), "generator_cpu_c": middle(c, "cpu")}
    return [
        row(
            f"policy requests/s, {connections} connections, of C",
            f"{middle(ours, 'rate'):,.0f}/s (generator {busy['generator_cpu_ours']:.0%} busy)",
            f"C {middle(c, 'rate'):,.0f}/s (generator {busy['generator_cpu_c']:.0%} busy)",
            ratios("rate", ours, c),
            least=least,
            turns=turns,
            **busy,
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
