"""Run every bench and print one table: `scripts/bench [--quick] [NAME ...]`.

`--report`: write docs/explanation/scale.md and its plots afterwards.

A bench is a module of this folder with `run(quick) -> list[dict]` (rows as in `common.row`). The
rows also go to `results/NAME.json`, with the machine. Exit status 1 where a target isn't met or a
bench failed.
"""

import argparse
import importlib
import json
import os
import platform
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from .common import HERE, Row

NAMES = (
    "policy",
    "answers",
    "peers",
    "latency",
    "revoke",
    "memory",
    "reading",
    "receiving",
    "maps",
    "tcpserver",
    "login",
    "http_api",
    "auth_policy",
    "shared",
    "scale",
)
RESULTS = HERE / "results"


def main() -> int:
    """Run what was asked for; everything by default."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="few rounds: does it all still run?")
    parser.add_argument("--report", action="store_true", help="have `scale` write its page")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(NAMES)
    if unknown:
        parser.error(f"no bench {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    RESULTS.mkdir(exist_ok=True)
    rows = []
    for name in chosen.names or NAMES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows += _run(name, chosen.quick)
    print(f"{_machine()['cpu']}, {os.cpu_count()} CPUs, Python {platform.python_version()}\n")
    print(table(rows))
    if chosen.report:
        importlib.import_module(".scale", __package__).report()
    return 0 if all(r.get("met") for r in rows) else 1


def _run(name: str, quick: bool) -> list[Row]:
    start, busy = time.time(), os.getloadavg()[0]
    try:
        rows: list[Row] = importlib.import_module(f".{name}", __package__).run(quick)
    except Exception as error:  # the other benches still have something to say
        traceback.print_exc()
        return [{"figure": name, "ours": f"failed: {error}", "met": False}]
    kept = {"at": start, "quick": quick, "load_before": busy, "machine": _machine(), "rows": rows}
    (RESULTS / f"{name}.json").write_text(json.dumps(kept, indent=1, default=str) + "\n")
    return rows


def _machine() -> dict[str, str]:
    cpu = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(": ")[2]
            break
    return {"cpu": cpu, "kernel": platform.release(), "python": platform.python_version()}


def table(rows: list[Row]) -> str:
    """Rows as text: figure, ours, peer, target, median, lowest to highest, verdict."""
    heads = ("figure", "ours", "peer or limit", "target", "median", "min–max", "verdict")
    cells = [heads, *(_cells(r) for r in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def _cells(row: Row) -> tuple[str, ...]:
    target = str(row.get("target", "–"))
    verdict = "not met" if not row.get("met") else "–" if target == "–" else "met"
    spread = f"{_number(row.get('low'))}–{_number(row.get('high'))}"
    texts = (str(row.get(key, "–")) for key in ("figure", "ours", "peer"))
    return (*texts, target, _number(row.get("median")), spread, verdict)


def _number(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else "–"


if __name__ == "__main__":
    raise SystemExit(main())
