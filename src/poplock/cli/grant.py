"""`poplock grant IP`: a right given by hand."""

from pathlib import Path

import click

from ..config.duration import Duration
from ..control import Grant, NobodyThereError, ask
from .common import DurationType, config_option, json_option, load, local_office, show
from .list import COLUMNS


@click.command("grant")
@click.argument("ip")
@click.option("--user", required=True, help="Who answers for it.")
@click.option("--for", "seconds", type=DurationType(), help="How long; policy.window if not given.")
@json_option
@config_option
def command(ip: str, user: str, seconds: Duration | None, as_json: bool, config_path: Path) -> None:
    """Let IP relay for a while, without a login.

    \b
    Example:
      poplock grant 203.0.113.9 --user ann@example.org --for 30m
    """
    config = load(config_path)
    length = float(config.policy.window if seconds is None else seconds)
    try:
        rows = ask(Path(config.control.path), Grant(ip, user, length))
    except NobodyThereError:
        with local_office(config, write=True) as office:
            rows = [office.grant(ip, user, length)]
        counts = "the grant counts from when it does" if config.shared is None else "others know it"
        click.echo(f"poplock: no daemon runs here; {counts}", err=True)
    show(rows, COLUMNS, as_json=as_json, nothing="")
