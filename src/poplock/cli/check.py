"""`poplock check IP`: permit or not, and why."""

from pathlib import Path

import click
import msgspec

from ..control import Check, NobodyThereError, ask
from ..core.errors import EX_TEMPFAIL
from .common import config_option, json_option, load, local_office, note_no_daemon

_STATUS = {"permit": 0, "none": 1, "unavailable": EX_TEMPFAIL}


@click.command("check")
@click.argument("ip")
@click.option("--sender", help="The envelope sender, for policy.match_sender.")
@json_option
@config_option
def command(ip: str, sender: str | None, as_json: bool, config_path: Path) -> None:
    """Say whether IP may relay, and why.

    Exit status: 0 permit, 1 none, 75 unavailable.

    \b
    Example:
      poplock check 203.0.113.9
    """
    config = load(config_path)
    try:
        (row,) = ask(Path(config.control.path), Check(ip, sender))
    except NobodyThereError:
        with local_office(config, write=False) as office:
            row = office.check(ip, sender)
        note_no_daemon(config)
    if as_json:
        click.echo(msgspec.json.encode(row))
    else:
        click.echo(f"{row['answer']}: {row['why']}")
    raise SystemExit(_STATUS[str(row["answer"])])
