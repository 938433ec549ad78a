"""How long after a revocation does each MTA still relay?

The routes of the matrix, one by one: a real MTA, one poplock. Each round gives a right by hand,
waits until the MTA accepts a foreign recipient, revokes, and offers a recipient again and again, a
new session for each, until it is refused. Two times end with that refusal, which has a session of
the MTA in it: from the order, and from its return (`poplock revoke` ends then). What dominates
stands beside them: how long a session takes that is refused, whatever poplock does, and in how many
rounds the MTA accepted even one recipient after the return. `patience` is 0: else everybody without
a grant waits for a login on purpose before he is refused, and that would be the figure. Needs root.
"""

import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from poplock.control import Grant, Revoke, ask
from testbed import clients
from tests.matrix.measure import ADDRESS, Bench, bench
from tests.matrix.route import Route
from tests.matrix.routes import ROUTES

from .common import Row, row, wait_for

MOST = 100.0
"""Milliseconds from the return to the refusal, beyond what the MTA's own session takes."""
LONGEST = 60.0
"""Seconds for the rounds of one route; a slow MTA has fewer rounds."""


@dataclass(frozen=True)
class Round:
    """Milliseconds."""

    from_order: float
    from_return: float
    session: float
    late: int
    """Recipients that were accepted after the return."""


def run(quick: bool = False) -> list[Row]:
    return [_route(route, 3 if quick else 100) for route in ROUTES]


def _route(route: Route, rounds: int) -> Row:
    release = route.releases[0]
    config = route.config.replace("[[answer]]\n", "[[answer]]\npatience = 0\n")
    route = replace(route, config=config)
    with tempfile.TemporaryDirectory(prefix="poplock-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with bench(route, release, folder) as running:
            done, end = [], time.monotonic() + LONGEST
            while len(done) < rounds and (time.monotonic() < end or not done):
                done.append(_round(running))
    from_return = _p99([r.from_return for r in done])
    later = [max(r.from_return - r.session, 0.0) for r in done]
    late = sum(1 for r in done if r.late)
    ours = f"p99 {from_return:,.0f} ms, from the order {_p99([r.from_order for r in done]):,.0f}"
    made = row(
        f"revoked until refused, {route.name} ({release}), ms more than a session",
        f"{ours}; {late} of {len(done)} rounds late",
        f"a session alone {statistics.median(r.session for r in done):,.1f} ms",
        later,
        most=MOST,
        rounds=[vars(r) for r in done],
    )
    return made | {"target": f"p99 ≤{MOST:.0f}", "met": _p99(later) <= MOST}


def _round(b: Bench) -> Round:
    control = b.poplock.control
    ask(control, Grant(ADDRESS, "alice", 3600.0))
    wait_for(lambda: _accepts(b, ADDRESS), "the MTA accepts", every=0.005)
    ordered = time.perf_counter()
    ask(control, Revoke(ADDRESS))
    returned, late = time.perf_counter(), 0
    while _accepts(b, ADDRESS):
        late += 1
    refused = time.perf_counter()
    _accepts(b, ADDRESS)
    session = time.perf_counter() - refused
    times = (refused - ordered, refused - returned, session)
    return Round(*(1e3 * t for t in times), late)


def _accepts(b: Bench, source: str) -> bool:
    code, said = clients.rcpt(b.host, source, port=b.route.port, hang_up=True)
    if not code:
        raise RuntimeError(f"{b.route.name}: no session: {said}")
    return code == 250


def _p99(values: list[float]) -> float:
    """The largest where there are fewer than a hundred."""
    return sorted(values)[len(values) * 99 // 100 if len(values) > 1 else 0]
