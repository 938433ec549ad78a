"""Does it carry ten million mailboxes? A model of the site, fed with what things cost here.

`scripts/bench scale` measures the costs, plays the busiest minute, and puts the model beside real
daemons and servers at sizes that this machine can run. `scripts/bench scale --report` also draws
the plots and writes the tables of docs/explanation/scale.md. numpy and matplotlib are needed for
it alone: `bench/requirements.lock`, which scripts/bench installs.

    site.py     the assumptions, and the names of the costs      measure.py, hosts.py, costs.py
    people.py   who logs in and sends, from where                          the costs, measured
    turns.py    processes that work in turns, by events          points.py  beside reality
    model.py    POP hosts, shards, SMTP hosts        figures.py, draw.py, plots.py, report.py
"""

from typing import Any

TARGET = {"shard": 0.7, "SMTP host": 0.7, "POP host": 0.7}
"""Share of one processor beyond which a process has no room for a failover or a busy day."""


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Measure, play, compare."""
    from ..common import row
    from . import costs, figures, points
    from .site import Site

    costs.measure()
    measured = costs.kept()
    site = Site().scaled(0.1 if quick else 1.0)
    peak = figures.peak(site, measured, figures.SHORT if quick else figures.STRETCH)
    seen = peak.seen
    what = f"{site.mailboxes / 1e6:g} million mailboxes"
    rows = [
        row(f"{who} busy, of one processor, {what}", "model", "–", [seen.worked[who]], most=most)
        for who, most in TARGET.items()
    ]
    for name, took in figures.quantiles([p[1] for p in seen.permits]).items():
        rows.append(row(f"login → permit in ms, {name}, {what}", "model", "–", [took]))
    return rows + points.as_rows(points.all_points(measured, quick))


def report() -> None:
    """Write docs/explanation/scale.md, from the costs that were measured last."""
    from .report import write

    write()
