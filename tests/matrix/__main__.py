"""Print the table: `scripts/matrix [--release NAME] [ROUTE ...]`.

Each cell is the MTA's reply to a relay attempt and to local mail, and `!N` where N of the relay
forms that public testers try were accepted. Exit status 1 where a cell isn't as promised.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from testbed.roots import RELEASES

from .measure import STATES, Row, bench, measure, wrong
from .route import Route
from .routes import ROUTES

LEGEND = """\
Each cell: the reply to a relay attempt, and to mail for a local user. Promised is 250/250 in
"logged in", "IPv6", "v4-mapped" and "back again"; in all others relaying is refused and local mail
is accepted. -: that MTA has no such thing. !N: so many of the forms that testers of open relays
use were accepted from a stranger (tried before the first login and in each kind of trouble)."""


@click.command()
@click.option("--release", type=click.Choice(RELEASES), multiple=True, help="Both if not given.")
@click.argument("names", nargs=-1, metavar="[ROUTE]...")
def main(release: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Measure each route in each state; ROUTE is the beginning of a name, such as `exim`."""
    chosen = [
        r for r in ROUTES if not names or any(r.name.lower().startswith(n.lower()) for n in names)
    ]
    if not chosen:
        raise click.UsageError(f"no such route; there are: {'; '.join(r.name for r in ROUTES)}")
    table, faults = _table(), []
    for each in release or RELEASES:
        for route in chosen:
            if each in route.releases:
                row = _measure(route, each)
                faults += [f"{route.name} on {each}: {what}" for what in wrong(route, row)]
                table.add_row(f"{route.name} ({each})", *(_shown(row, s) for s in STATES))
    wide = max(200, Console().width) if not sys.stdout.isatty() else None
    Console(width=wide).print(table)
    click.echo(LEGEND)
    for fault in faults:
        click.echo(f"not as promised: {fault}")
    if not faults:
        click.echo(f"{table.row_count} rows, every cell as promised.")
    raise SystemExit(1 if faults else 0)


def _measure(route: Route, release: str) -> Row:
    def say(state: str) -> None:
        click.echo(f"{route.name} ({release}): {state}", err=True)

    with tempfile.TemporaryDirectory(prefix="poplock-matrix-") as folder:
        Path(folder).chmod(0o755)
        with bench(route, release, Path(folder)) as running:
            return measure(running, say)


def _table() -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("route", *STATES):
        table.add_column(head, no_wrap=head == "route")
    return table


def _shown(row: Row, state: str) -> Text:
    cell = row[state]
    return Text(str(cell), style="green" if cell.relay == 250 else "red" if cell.open_forms else "")


if __name__ == "__main__":
    main()
