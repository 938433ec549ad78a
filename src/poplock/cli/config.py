"""`poplock config check` and `poplock config show`."""

from pathlib import Path

import click
import msgspec

from .common import config_option, load


@click.group("config")
def command() -> None:
    """Validate the configuration, or show it with its defaults."""


@command.command("check")
@config_option
def check(config_path: Path) -> None:
    """Validate the configuration and what it names on this host.

    Exit status: 0, or 78 with the line, what is wrong and what would be right.

    \b
    Example:
      poplock config check --config ./poplock.toml
    """
    from ..config.surroundings import check_surroundings
    from ..core.clock import SystemClock
    from ..maps import make_map

    config = load(config_path)
    check_surroundings(config, config_path)
    for settings in config.map:
        make_map(settings, SystemClock())
    click.echo(f"{config_path}: correct")


@command.command("show")
@config_option
def show(config_path: Path) -> None:
    """Print the configuration with every default filled in, as JSON.

    \b
    Example:
      poplock config show | jq .policy
    """
    config = load(config_path)
    text = msgspec.json.encode(config, enc_hook=float)  # durations are seconds here
    click.echo(msgspec.json.format(text, indent=2))
