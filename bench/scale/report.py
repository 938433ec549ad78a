"""Writes the tables of docs/explanation/scale.md between their markers, and its plots."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from . import draw, figures
from .costs import FILE, kept
from .figures import GIB, Hour, Peak, quantiles
from .model import Failover, Seen
from .points import Point, all_points
from .site import Costs, Site

DOCS = Path(__file__).parents[2] / "docs/explanation"
PAGE, PLOTS = DOCS / "scale.md", DOCS / "scale"
SIZES = (0.1, 0.2, 0.5, 1.0, 1.5, 2.0)

Table = list[Sequence[str]]


def write() -> None:
    PLOTS.mkdir(exist_ok=True)
    site, costs = Site(), kept()
    peak = figures.peak(site, costs)
    hours = figures.day(site, costs)
    found = figures.sizes(site, costs, SIZES)
    draw.times(PLOTS / "times.svg", peak)
    draw.day(PLOTS / "day.svg", hours)
    draw.sizes(PLOTS / "sizes.svg", found)
    failovers = [figures.failover(peak, costs, revocations=where) for where in (False, True)]
    fail = failovers[0][0]
    draw.failover(PLOTS / "failover.svg", fail, [s for _, s in failovers], figures.STRETCH)
    load = os.getloadavg()[0]
    points = all_points(costs, quick=False)
    tables = {
        "costs": _costs(),
        "peak": _peak(site, costs, peak, hours),
        "sizes": _sizes(costs, found),
        "failover": _failover(failovers),
        "points": _points(points),
    }
    text = PAGE.read_text()
    for name, table in tables.items():
        text = _between(text, name, _markdown(table))
    text = _between(text, "load", [f"Load of the machine when they began: {load:.1f}."])
    PAGE.write_text(text)


def _between(text: str, name: str, lines: list[str]) -> str:
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    body = "\n".join([begin, *lines, end])
    changed, count = pattern.subn(lambda _: body, text)
    if count != 1:
        raise ValueError(f"{PAGE}: {count} places for {name} instead of one")
    return changed


def _markdown(table: Table) -> list[str]:
    head, *rows = table
    lines = ["", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


def _ms(times: list[float]) -> str:
    found = quantiles(times)
    return " · ".join(f"{found[name]:.2f}" for name in ("p50", "p99", "p99.9"))


def _costs() -> Table:
    said = json.loads(FILE.read_text())
    measured = said["costs"]
    us = {name: f"{1e6 * value:.1f} µs" for name, value in measured.items()}
    return [
        ("what", "cost", "how measured"),
        ("a turn of a shard's loop, for one client", us["shard_turn"], _SHARD),
        ("… for each further client in the turn", us["shard_client"], "ten clients at once"),
        ("the script that keeps a login", us["shard_script"], "a hundred in a pipeline"),
        (
            "… more for each further grant of the network",
            us["shard_script_each"],
            "a network of 200 grants",
        ),
        ("a key of a look-up", us["shard_get"], "a hundred in an MGET"),
        ("telling one host of a turn's changes", us["shard_push"], "30 hosts that follow"),
        (
            "a login on a POP host: reading and keeping",
            us["reading"],
            "`poplock run`, a line each 2 ms",
        ),
        ("… telling the store", us["login"], "its own parts in one process, 100 at a time"),
        ("… a turn of telling", us["login_turn"], "one at a time"),
        ("a question that the view answers", us["question"], "`poplock run`, 64 connections"),
        ("a look-up in the store", us["flight"], "one at a time"),
        ("… each network in it", us["miss"], "100 at a time"),
        ("a message of what has changed", us["push"], "one login in it"),
        ("… each network in it", us["drop"], "100 logins in it"),
        ("line written → counts on its own host", us["log"], "`poplock run`, median of 100"),
        ("memory: a network in the store", f"{measured['key_bytes']:.0f} B", "`used_memory`"),
        ("… each of its grants", f"{measured['grant_bytes']:.0f} B", "`used_memory`"),
        ("memory: a network in a view", f"{measured['view_bytes']:.0f} B", "resident size"),
        ("a login on the wire", f"{measured['script_wire']:.0f} B", "the command and its reply"),
        ("a network's name in a push", f"{measured['push_wire']:.0f} B", "what followers received"),
    ]


_SHARD = "`redis-server`, on-CPU time of /proc/PID/schedstat"


def _peak(site: Site, costs: Costs, peak: Peak, hours: list[Hour]) -> Table:
    seen, scene = peak.seen, peak.scene
    most = max(hours, key=lambda h: h.memory)
    view = [took for _, took, what, _ in seen.answers if what == "view"]
    store = [took for _, took, what, _ in seen.answers if what == "store"]
    hits, asked = scene.hits
    total = asked + site.strangers * figures.STRETCH
    return [
        ("in the busiest minute", "", ""),
        ("logins a second", f"{len(scene.told[0]) / figures.STRETCH:,.0f}", "all POP hosts"),
        ("networks with a grant (keys)", f"{most.networks / 1e6:.2f} million", "all shards"),
        ("grants", f"{most.grants / 1e6:.2f} million", "a client's logins on one POP host"),
        ("", f"{most.grants_scattered / 1e6:.2f} million", "on any POP host"),
        ("memory of a shard", f"{most.memory / GIB:.2f} GiB", "a client's logins on one POP host"),
        ("", f"{most.memory_scattered / GIB:.2f} GiB", "on any POP host"),
        ("CPU of a shard", f"{100 * seen.worked['shard']:.0f} %", "of one processor, the busiest"),
        ("CPU of an SMTP host", f"{100 * seen.worked['SMTP host']:.0f} %", "of one processor"),
        ("CPU of a POP host", f"{100 * seen.worked['POP host']:.0f} %", "of one processor"),
        ("network to a shard", f"{seen.bytes['to'] * 8 / 1e6:.0f} Mbit/s", "headers included"),
        ("network from a shard", f"{seen.bytes['from'] * 8 / 1e6:.0f} Mbit/s", "headers included"),
        (
            "questions that the view answers",
            f"{100 * hits / asked:.0f} %",
            "of those by clients with a grant",
        ),
        ("", f"{100 * hits / total:.0f} %", "of all"),
        ("answer from the view", _ms(view), "ms: p50 · p99 · p99.9"),
        ("answer from the store", _ms(store), "ms"),
        ("login → in the store", _ms([k[1] for k in seen.kept]), "ms, from the line in the log"),
        ("login → permit on another host", _ms([p[1] for p in seen.permits]), "ms"),
    ]


def _sizes(costs: Costs, found: Sequence[tuple[Site, Peak]]) -> Table:
    table: Table = [
        (
            *("million mailboxes", "logins/s", "million keys", "memory of a shard"),
            *("CPU of a shard", "CPU of an SMTP host", "login → permit, p99.9"),
        )
    ]
    for site, peak in found:
        scene, seen = peak.scene, peak.seen
        shard = figures.memory(site, costs, scene.networks, scene.grants)
        slow = quantiles([p[1] for p in seen.permits])["p99.9"]
        table.append(
            (
                f"{site.mailboxes / 1e6:g}",
                f"{site.logins:,.0f}",
                f"{scene.networks / 1e6:.2f}",
                f"{shard / GIB:.2f} GiB",
                f"{100 * seen.worked['shard']:.0f} %",
                f"{100 * seen.worked['SMTP host']:.0f} %",
                f"{slow:.1f} ms",
            )
        )
    return table


def _failover(found: Sequence[tuple[Failover, Seen]]) -> Table:
    table: Table = [
        (
            *("the shard that fails", "answers `unavailable`, its clients / the others'"),
            *("its logins wait, longest", "the others' logins, longest", "told again after"),
        )
    ]
    for fail, seen in found:
        lost = figures.refused(seen, fail)
        waits = [max(k[1] for k in seen.kept if (k[2] == 0) == ours) for ours in (True, False)]
        table.append(
            (
                "holds the revocations" if fail.revocations else "one of the others",
                " / ".join(f"{100 * share:.0f} %" for share in lost),
                f"{waits[0]:.1f} s",
                f"{waits[1]:.1f} s",
                f"{max(seen.again) - fail.at:.0f} s",
            )
        )
    return table


def _points(points: Sequence[Point]) -> Table:
    table: Table = [("what", "measured", "model", "measured of model")]
    for point in points:
        ratio = f"{point.measured / point.model:.2f}" if point.model else "–"
        measured, model = (f"{value:.3g} {point.unit}" for value in (point.measured, point.model))
        table.append((point.what, measured, model, ratio))
    return table
