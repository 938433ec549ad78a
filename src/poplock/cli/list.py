"""`poplock list`: the live grants."""

from pathlib import Path

import click

from ..control import List, NobodyThereError, ask
from ..office import Row
from .common import config_option, json_option, load, local_office, note_no_daemon, show

COLUMNS = ("network", "user", "granted_at", "last_login", "expires_at", "sessions", "source")


@click.command("list")
@json_option
@config_option
def command(as_json: bool, config_path: Path) -> None:
    """List the live grants: who may relay, from where, until when.

    \b
    Example:
      poplock list --json | jq -r .user | sort | uniq -c
    """
    config = load(config_path)
    rows: list[Row]
    try:
        rows = ask(Path(config.control.path), List())
    except NobodyThereError:
        with local_office(config, write=False) as office:
            rows = list(office.list())
        note_no_daemon(config)
    show(rows, COLUMNS, as_json=as_json, nothing="No live grants: nobody has logged in lately.")
