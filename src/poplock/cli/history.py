"""`poplock history`: what was granted, used, revoked, expired."""

from pathlib import Path

import click

from ..control import History, NobodyThereError, ask
from ..office import Row
from .common import SinceType, config_option, json_option, load, local_office, note_no_daemon, show

COLUMNS = ("at", "event", "network", "user", "address", "count", "until", "source")


@click.command("history")
@click.option("--ip", help="Only this address or network.")
@click.option("--user", help="Only this user.")
@click.option("--since", type=SinceType(), help='Such as "24h" or "2026-11-24T10:00:00Z".')
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=1000, show_default=True)
@json_option
@config_option
def command(
    ip: str | None,
    user: str | None,
    since: float | None,
    limit: int,
    as_json: bool,
    config_path: Path,
) -> None:
    """Show what happened, oldest first: granted, used, revoked, expired.

    \b
    Example:
      poplock history --user ann@example.org --since 24h
    """
    config = load(config_path)
    rows: list[Row]
    try:
        rows = ask(Path(config.control.path), History(ip, user, since, limit))
    except NobodyThereError:
        with local_office(config, write=False) as office:
            rows = list(office.history(ip, user, since, limit))
        note_no_daemon(config)
    show(rows, COLUMNS, as_json=as_json, nothing="Nothing of the kind has happened.")
