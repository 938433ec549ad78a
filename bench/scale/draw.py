"""The report's plots, one function a plot."""

from collections.abc import Sequence
from pathlib import Path

from .figures import GIB, Hour, Peak, per_second, quantiles
from .model import Failover, Seen
from .plots import BLUE, GREEN, ORANGE, PURPLE, figure, slower_than, titled
from .site import Site


def day(path: Path, hours: Sequence[Hour]) -> None:
    hour = [*range(len(hours) + 1)]
    again = [*hours, hours[0]]
    with figure(path, 1, 2, height=3.2) as (left, right):
        left.plot(hour, [h.logins for h in again], color=BLUE)
        left.set_ylim(0)
        left.set_ylabel("logins/s", color=BLUE)
        other = left.twinx()
        other.plot(hour, [h.networks / 1e6 for h in again], color=ORANGE)
        other.set_ylim(0)
        other.set_ylabel("million networks with a grant", color=ORANGE)
        other.grid(visible=False)
        titled(left, "logins and keys")
        memory = [h.memory / GIB for h in again]
        scattered = [h.memory_scattered / GIB for h in again]
        right.plot(hour, scattered, color=PURPLE, label="logins on any POP host")
        right.plot(hour, memory, color=GREEN, label="a client's on one")
        right.set_ylim(0)
        titled(right, "memory of a shard, GiB", 1, rows=2)
        for axes in (left, right):
            axes.set_xlabel("hour of the day")
            axes.set_xticks(range(0, 25, 6))


def times(path: Path, peak: Peak) -> None:
    seen = peak.seen
    view = [took for _, took, what, _ in seen.answers if what == "view"]
    store = [took for _, took, what, _ in seen.answers if what == "store"]
    with figure(path, height=3.6) as axes:
        slower_than(axes, view, "answer from the view", GREEN)
        slower_than(axes, store, "answer from the store", PURPLE)
        slower_than(axes, [k[1] for k in seen.kept], "login → in the store", BLUE)
        slower_than(axes, [p[1] for p in seen.permits], "login → permit on another host", ORANGE)
        axes.set_xlabel("ms")
        axes.set_ylim(1e-4, 1)
        titled(axes, "the share that takes longer", 2, rows=2)


def sizes(path: Path, found: Sequence[tuple[Site, Peak]]) -> None:
    million = [site.mailboxes / 1e6 for site, _ in found]
    with figure(path, 1, 2) as (left, right):
        for who, colour in (("shard", BLUE), ("SMTP host", ORANGE), ("POP host", GREEN)):
            busy = [100 * peak.seen.worked[who] for _, peak in found]
            left.plot(million, busy, color=colour, marker="o", markersize=3, label=who)
        left.set_ylim(0, 100)
        titled(left, "busy, % of one processor", 3)
        for name, colour in (("p50", GREEN), ("p99", ORANGE), ("p99.9", PURPLE)):
            shown = [quantiles([p[1] for p in peak.seen.permits])[name] for _, peak in found]
            right.plot(million, shown, color=colour, marker="o", markersize=3, label=name)
        right.set_ylim(0)
        titled(right, "login → permit, ms", 3)
        for axes in (left, right):
            axes.set_xlabel("million mailboxes")
            axes.set_xlim(0)


def failover(path: Path, fail: Failover, seen: Sequence[Seen], seconds: float) -> None:
    """`seen`: of a shard without the revocations, and of the one that holds them."""
    second = [*range(int(seconds))]
    ours, others, blind = (
        per_second(which, seconds, shards)
        for which, shards in ((seen[0], [0]), (seen[0], [1, 2]), (seen[1], [1, 2]))
    )
    with figure(path, 2, 1, height=4.8) as (above, below):
        for found, colour, label in (
            (ours, ORANGE, "the shard's clients"),
            (blind, PURPLE, "others', if it holds the revocations"),
            (others, BLUE, "others', if not"),
        ):
            share = [100 * x for x in found["unavailable"]]
            above.step(second, share, color=colour, where="post", label=label)
        above.set_ylim(0, 100)
        titled(above, "answers that are unavailable, %", 3)
        for found, colour, label in (
            (ours, ORANGE, "the shard's logins"),
            (others, BLUE, "others'"),
        ):
            below.step(second, found["slowest"], color=colour, where="post", label=label)
        below.set_ylim(0)
        below.set_xlabel(f"seconds; the master dies at {fail.at:.0f}")
        titled(below, "seconds until a login is in the store, the slowest of each second", 2)
        again = [s for s, count in zip(second, ours["again"], strict=True) if count]
        if again:
            below.axvspan(again[0], again[-1] + 1, color=GREEN, alpha=0.15, linewidth=0)
            below.annotate(
                "POP hosts tell again what they know",
                (again[0] + 0.5, 0.85),
                xycoords=("data", "axes fraction"),
            )
        for axes in (above, below):
            axes.set_xlim(0, seconds)
