"""`poplock maps write`, `poplock maps clear` and `poplock maps sweep`."""

from collections.abc import Callable
from pathlib import Path

import click

from ..config import Config
from ..config.maps import MapSettings
from ..control import NobodyThereError, WriteMaps, ask
from ..core.clock import Clock, SystemClock
from ..core.errors import PoplockError
from ..maps import empty, make_lease, make_map
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

    def clear_one(settings: MapSettings, clock: Clock) -> None:
        empty(make_map(settings, clock), make_lease(settings, clock))

    _each(load(config_path), clear_one)


@command.command("sweep")
@config_option
def sweep(config_path: Path) -> None:
    """Empty each map whose lease has run out, because the daemon is dead or hangs.

    For a timer (poplock-sweep.timer), cron, or a supervisor's finish script: it needs no daemon. A
    map whose lease holds is left alone.

    \b
    Example:
      * * * * * poplock  poplock maps sweep     # /etc/cron.d/poplock
    """

    def sweep_one(settings: MapSettings, clock: Clock) -> None:
        with make_lease(settings, clock).ended() as over:
            if over:
                make_map(settings, clock).clear()
                click.echo(f"{settings.path}: its lease had run out; all grants were taken out")

    _each(load(config_path), sweep_one)


def _each(config: Config, act: Callable[[MapSettings, Clock], None]) -> None:
    """Do this to every map, to the others as well when one fails."""
    clock, failures = SystemClock(), []
    for settings in config.map:
        try:
            act(settings, clock)
        except PoplockError as error:
            failures.append(str(error))
    if failures:
        raise PoplockError("; ".join(failures))
