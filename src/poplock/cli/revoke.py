"""`poplock revoke`: take rights back, at once."""

from pathlib import Path

import click

from ..control import NobodyThereError, Revoke, ask
from ..office import Row
from .common import config_option, json_option, load, local_office, show
from .list import COLUMNS


@click.command("revoke")
@click.argument("ip", required=False)
@click.option("--user", help="All grants of this user.")
@click.option("--all", "everything", is_flag=True, help="Every grant.")
@json_option
@config_option
def command(
    ip: str | None, user: str | None, everything: bool, as_json: bool, config_path: Path
) -> None:
    """Take back what an address, a user, or both have earned.

    A later login earns a new grant; to keep somebody out, change the password or set
    policy.deny_users. Exit status: 0, or 1 where nothing matched.

    \b
    Examples:
      poplock revoke 203.0.113.9
      poplock revoke --user ann@example.org
    """
    if everything == (ip is not None or user is not None):
        raise click.UsageError("Name an IP, --user, or --all.")
    config = load(config_path)
    rows: list[Row]
    try:
        rows = ask(Path(config.control.path), Revoke(ip, user))
    except NobodyThereError:
        with local_office(config, write=True) as office:
            rows = list(office.revoke(ip, user))
    count = show(
        rows, COLUMNS, as_json=as_json, nothing="Nothing matched: no live grant is theirs."
    )
    raise SystemExit(0 if count else 1)
