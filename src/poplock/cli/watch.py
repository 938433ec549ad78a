"""`poplock watch`: who may relay now, and what happens, on a terminal; elsewhere what happens.

The daemon is asked once a second, each time anew, for no more than the screen holds: it may have a
hundred thousand grants. Where it is stopped meanwhile, the last picture stays, and is said to be
old. What happens is taken from its history, by the place where the last look ended, so nothing is
left out of `--json`, also over a restart.
"""

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import click

from ..control import MOST_WATCHED, NobodyThereError, Watch, ask
from ..core.errors import PoplockError, StoreError
from .common import config_option, json_option, load, show
from .history import COLUMNS

_EACH = 1.0  # seconds between two looks
_PATIENCE = 5.0  # seconds for an answer; `q` waits as long at the worst

Wait = Callable[[float], bytes]
"""Wait so many seconds, or for a key, and say which."""


class Window:
    """Looks at the daemon."""

    def __init__(self, control: Path) -> None:
        self._control = control
        self._after: int | None = None
        self.seen = False
        """Whether it was ever there."""
        self.trouble: str | None = None
        """Why the last look saw nothing."""

    def look(self, grants: int, deeds: int) -> dict[str, Any] | None:
        """What is new; None where nothing can be seen just now.

        PoplockError where nothing was ever seen for a reason that doesn't go away.
        """
        try:
            (row,) = ask(self._control, Watch(self._after, grants, deeds), _PATIENCE)
        except NobodyThereError:
            self.trouble = f"no daemon listens on {self._control}"
        except StoreError as error:
            self.trouble = str(error)
        except PoplockError as error:
            if not self.seen:
                raise
            self.trouble = str(error)
        else:
            self.seen, self.trouble = True, None
            self._after = row["after"]  # type: ignore[assignment]
            return row
        return None


@click.command("watch")
@json_option
@config_option
def command(as_json: bool, config_path: Path) -> None:
    """Watch who may relay now, and what happens. It ends by q or Ctrl-C.

    On a terminal, a view that is drawn anew each second. Elsewhere, and with --json, a line as
    'poplock history' prints it for whatever happens from now on.

    \b
    Example:
      poplock watch
      poplock watch --json | jq -r 'select(.event == "granted").user'
    """
    window = Window(Path(load(config_path).control.path))
    terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    with suppress(KeyboardInterrupt):
        if terminal and not as_json:
            _show(window)
        else:
            _tell(window, as_json)


def _tell(window: Window, as_json: bool) -> NoReturn:
    """A line for whatever happens."""
    told: str | None = None
    while True:
        row = window.look(0, MOST_WATCHED if window.seen else 0)  # nothing from before
        if window.trouble not in (None, told):
            click.echo(f"poplock: {window.trouble}; trying again each second", err=True)
        told = window.trouble
        deeds = [] if row is None else row["deeds"]
        if deeds:
            show(deeds, COLUMNS, as_json=as_json, nothing="")
            sys.stdout.flush()
        if len(deeds) < MOST_WATCHED:
            time.sleep(_EACH)


def _show(window: Window) -> None:
    """The view, until somebody has seen enough."""
    from rich.console import Console
    from rich.live import Live

    from .watch_view import View

    console, view = Console(), View()
    with (
        _ends_orderly(),
        _keys() as wait,
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):
        while True:
            height = min(console.height, MOST_WATCHED)
            view.take(window.look(height, height), window.trouble, time.monotonic())
            live.update(view.draw(console.width, console.height, time.time()), refresh=True)
            if wait(_EACH) in (b"q", b"Q"):
                return


@contextmanager
def _ends_orderly() -> Iterator[None]:
    """The terminal is put in order again also when we are told to end."""

    def end(number: int, frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _keys() -> Iterator[Wait]:
    """Single keys, without echo. Ctrl-Z does nothing: it would leave the screen to a shell."""
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    if not os.isatty(descriptor):
        yield _just_wait
        return

    def wait(seconds: float) -> bytes:
        ready, _, _ = select.select([descriptor], [], [], seconds)
        return os.read(descriptor, 1) if ready else b""

    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        now = termios.tcgetattr(descriptor)
        now[6][termios.VSUSP] = os.fpathconf(descriptor, "PC_VDISABLE").to_bytes(1, "big")
        termios.tcsetattr(descriptor, termios.TCSADRAIN, now)
        yield wait
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _just_wait(seconds: float) -> bytes:
    time.sleep(seconds)
    return b""
