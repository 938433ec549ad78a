"""`poplock replay`: what the configured policy would have granted from old logs."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from ..config import Config
from ..config.sources import LogSettings
from ..core.errors import PoplockError
from ..core.policy import Policy
from ..dialects import DIALECTS
from ..dialects import load as load_dialects
from ..dialects.scanner import Scanner
from ..net.interfaces import own_addresses
from ..office import Row, stamp
from ..replay import SHARED, Replay
from .common import SinceType, cell, config_option, json_option, load
from .logfiles import LogFile

_SHOWN = 20  # rows of a kind for people; --json has all
_LATE = 3600.0  # seconds that an event may be older than what came before it, unremarked
_TIMES = ("peak_at", "first", "last")

Advance = Callable[[int], None]


@click.command("replay")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--source", help="Replay as this source: with its dialects, window and services.")
@click.option("--since", type=SinceType(), help="Only events from then on: 7d, or a date.")
@click.option("--until", type=SinceType(), help="Only events before then.")
@json_option
@config_option
def command(
    files: tuple[str, ...],
    source: str | None,
    since: float | None,
    until: float | None,
    as_json: bool,
    config_path: Path,
) -> None:
    """Report what the configured policy would have granted from old logs.

    FILES are read in the order given, the oldest first; names that end in .gz, .bz2 or .xz are
    decompressed, - is standard input. Time is what the logs say. Neither the store nor a running
    daemon is touched.

    \b
    Example:
      poplock replay /var/log/mail.log.2.gz /var/log/mail.log.1 /var/log/mail.log
    """
    config = load(config_path)
    dialects, title = _as_source(config, source)
    own = own_addresses() if config.policy.never_own else None
    replay = Replay(Policy(config.policy.rules(), own, config.rules_of_sources()))
    scanner = Scanner(load_dialects(dialects, config.own_dialects()))
    logs = [LogFile(name) for name in files]
    with _progress(sum(log.size for log in logs)) as advance:
        for log in logs:
            late = 0
            for event in log.events(scanner, advance):
                if (since is None or event.time >= since) and (until is None or event.time < until):
                    event.source = title
                    late += event.time < replay.clock.now() - _LATE
                    replay.feed(event)
            if late:
                click.echo(
                    f"poplock: {late} events of {log.name} are older than what was read before;"
                    " name the oldest file first",
                    err=True,
                )
    replay.finish()
    if as_json:
        encode = msgspec.json.Encoder().encode
        for row in replay.rows():
            sys.stdout.write(encode(_with_stamps(row)).decode() + "\n")
    else:
        _report(list(replay.rows()), sum(log.lines for log in logs))


def _as_source(config: Config, name: str | None) -> tuple[Sequence[str], str]:
    """The dialects to read with, and the title whose rules hold (none: the policy's)."""
    sources = {s.title: s for s in config.source}
    if name is None:
        own = config.own_dialects()
        logs = [s for s in config.source if isinstance(s, LogSettings)]
        used = {d.name for s in logs for d in load_dialects(s.dialects, own)}
        return [d for d in (*DIALECTS, *own) if not used or d in used], ""
    if name not in sources:
        known = ", ".join(sources) or "none"
        raise PoplockError(f"there is no source {name!r} in the configuration; there are: {known}")
    chosen = sources[name]
    return chosen.dialects if isinstance(chosen, LogSettings) else tuple(DIALECTS), name


@contextmanager
def _progress(size: int) -> Iterator[Advance]:
    """A bar over the bytes of all files, where somebody watches."""
    if not sys.stderr.isatty():
        yield lambda read: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(None), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=size or None)
        yield lambda read: progress.advance(task, read)


def _with_stamps(row: Row) -> Row:
    return {k: stamp(v) if k in _TIMES and isinstance(v, float) else v for k, v in row.items()}


def _report(rows: list[Row], lines: int) -> None:
    total, *others = (_with_stamps(row) for row in rows)
    say = click.echo
    say(
        f"{lines} lines, {total['first'] or '-'} to {total['last'] or '-'}:"
        f" {total['logins']} logins, {total['logouts']} logouts, {total['failures']} failures"
    )
    say(
        f"{total['grants']} grants to {total['users']} users in {total['networks']} networks:"
        f" {_hours(total['granted_seconds'])} in all, the longest"
        f" {_hours(total['longest_seconds'])}; at most {total['peak']} at a time"
        + (f" ({total['peak_at']})" if total["peak"] else "")
    )
    _section(
        others,
        "user",
        f"{'user':32} {'logins':>8} {'grants':>8} {'granted':>10} {'longest':>10} {'networks':>8}",
    )
    _section(
        others,
        "network",
        f"{'network':32} {'logins':>8} {'grants':>8} {'granted':>10} {'longest':>10} {'users':>8}",
    )
    shared = [row for row in others if row.get("shared")]
    if shared:
        count = len(shared)
        say(f"\n{count} networks have {SHARED} users or more, as behind NAT or of a webmail server")
    ignored = [row for row in others if row["row"] == "ignored"]
    if ignored:
        say(f"\n{total['ignored']} logins earned nothing:")
        for row in ignored[:_SHOWN]:
            say(f"{row['logins']:8} x {cell(row['reason'])}")


def _section(rows: Sequence[Row], kind: str, heading: str) -> None:
    mine = [row for row in rows if row["row"] == kind]
    if not mine:
        return
    click.echo(f"\n{heading}")
    for row in mine[:_SHOWN]:
        others = row["networks"] if kind == "user" else row["users"]
        click.echo(
            f"{cell(row[kind]):32} {row['logins']:>8} {row['grants']:>8}"
            f" {_hours(row['granted_seconds']):>10} {_hours(row['longest_seconds']):>10}"
            f" {others:>8}{'  shared' if row.get('shared') else ''}"
        )
    if len(mine) > _SHOWN:
        click.echo(f"... and {len(mine) - _SHOWN} more (--json has them all)")


def _hours(seconds: object) -> str:
    minutes = round(float(str(seconds)) / 60)
    return f"{minutes // 60}:{minutes % 60:02} h"
