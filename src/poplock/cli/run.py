"""`poplock run`: the daemon."""

import logging
import os
import sys
from pathlib import Path

import click

from ..core.errors import StoreError
from .common import config_option, load


@click.command("run")
@config_option
def command(config_path: Path) -> None:
    """Run the daemon in the foreground.

    Ready and stopping are told to systemd where it listens. SIGTERM stops it.

    \b
    Example:
      poplock run --config ./poplock.toml
    """
    config = load(config_path)
    from ..config.surroundings import check_surroundings
    from ..daemon import run_daemon

    check_surroundings(config, config_path)
    # Under systemd the journal stamps each line itself.
    stamp = "" if "JOURNAL_STREAM" in os.environ else "%(asctime)s "
    logging.basicConfig(
        level=config.log.level.upper(),
        format=f"{stamp}%(levelname)s %(message)s",
        stream=sys.stderr,
    )
    try:
        run_daemon(config)
    except StoreError as error:
        raise click.ClickException(str(error)) from error
