"""`poplock maps write` and `poplock maps clear`."""

from pathlib import Path

import click

from ..control import NobodyThereError, WriteMaps, ask
from ..core.clock import SystemClock
from ..core.errors import PoplockError
from ..maps import make_map
from .common import config_option, load


@click.group("maps")
def command() -> None:
    """Write or empty the files that MTAs read by themselves."""


@command.command("write")
@config_option
def write(config_path: Path) -> None:
    """Have the daemon write every map anew, and wait until it has.

    \b
    Example:
      poplock maps write
    """
    config = load(config_path)
    try:
        ask(Path(config.control.path), WriteMaps())
    except NobodyThereError:
        # Grants in a file that nobody renews would never end.
        raise PoplockError(
            f"no daemon listens on {config.control.path}, and without one nobody would take"
            " expired grants out of the maps; start it with 'poplock run'"
        ) from None


@command.command("clear")
@config_option
def clear(config_path: Path) -> None:
    """Take all grants out of the maps; an operator's own rules stay in.

    For when the daemon can't do it: systemd runs it after each end (ExecStopPost=), however that
    came about.

    \b
    Example:
      poplock maps clear
    """
    config = load(config_path)
    failures = []
    for settings in config.map:
        try:
            make_map(settings, SystemClock()).clear()
        except PoplockError as error:  # the others must be emptied all the same
            failures.append(str(error))
    if failures:
        raise PoplockError("; ".join(failures))
