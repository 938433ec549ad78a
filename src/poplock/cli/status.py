"""`poplock status`: health, counts, sources with their lag."""

from pathlib import Path
from typing import Any

import click
import msgspec

from ..control import NobodyThereError, Status, ask
from ..core.errors import PoplockError
from .common import config_option, json_option, load, local_office


@click.command("status")
@json_option
@config_option
def command(as_json: bool, config_path: Path) -> None:
    """Show how the daemon is: health, grants, sources and their lag, answers, maps.

    \b
    Example:
      poplock status --json | jq .sources
    """
    config = load(config_path)
    try:
        (row,) = ask(Path(config.control.path), Status())
    except NobodyThereError:
        row = {"health": "not running", "troubles": [], "grants": None}
        try:
            with local_office(config, write=False) as office:
                row["grants"] = sum(1 for _ in office.list())
        except PoplockError as error:
            row["troubles"] = [str(error)]
    if as_json:
        click.echo(msgspec.json.encode(row))
    else:
        _tell(row)


def _tell(row: dict[str, Any]) -> None:
    click.echo(f"health   {row['health']}")
    for trouble in row["troubles"]:
        click.echo(f"         ! {trouble}")
    click.echo(f"grants   {'?' if row['grants'] is None else row['grants']}")
    if "counts" not in row:
        return
    click.echo(f"running  {row['version']}, pid {row['pid']}, since {row['started_at']}")
    counts = row["counts"]
    click.echo(
        "seen     " + ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in counts)
    )
    for source in row["sources"]:
        state = "caught up" if source["caught_up"] else f"{source['lag_bytes']} bytes behind"
        login = source["last_login"] or "none yet"
        click.echo(
            f"source   {source['source']}: {state}, {source['events']} events,"
            f" {source['skipped']} lines skipped, last login {login}"
        )
    for answer in row["answers"]:
        click.echo(
            f"answers  {answer['listen']}: {answer['connections']} connections,"
            f" {answer['refused']} closed for a fault"
        )
    for map_ in row["maps"]:
        click.echo(f"map      {map_['path']}: written {map_['published']} times")
    click.echo(f"store    {row['store']['path']}: {row['store']['commits']} commits")
    if row["shared"] is not None:
        _tell_shared(row["shared"])


def _tell_shared(shared: dict[str, Any]) -> None:
    away = [name for name, up in shared["masters"].items() if not up]
    state = f"not linked to {', '.join(away)}" if away else "linked"
    heard = shared["heard_seconds_ago"]
    click.echo(
        f"shared   {', '.join(shared['nodes'])} ({shared['mode']}) as {shared['host']}: {state},"
        f" heard {'never' if heard is None else f'{heard} s ago'},"
        f" {shared['remembered']} grants remembered, {shared['to_tell']} to tell,"
        f" its clock {shared['clock_offset']:+.3f} s"
    )
