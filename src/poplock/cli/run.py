"""`poplock run`: the daemon."""

import os
import sys
from pathlib import Path

import click

from .common import config_option


@click.command("run")
@config_option
def command(config_path: Path) -> None:
    """Run the daemon in the foreground.

    Ready and stopping are told to systemd where it listens. SIGTERM stops it.

    \b
    Example:
      poplock run --config ./poplock.toml
    """
    # -P: not whatever modules lie in the folder where somebody stands.
    command = [sys.executable, "-P", "-m", "poplock.serve", str(config_path)]
    malloc = {"MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
    os.execve(sys.executable, command, os.environ | malloc)
