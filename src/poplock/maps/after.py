"""The program that tells a reader that its map has changed.

It is run behind each writing, without a shell and with the map as its standard input. A failure is
the map's failure: the daemon says so in `status`, and tries both again.
"""

import subprocess
from pathlib import Path

from ..core.errors import MapError

_PATIENCE = 20.0  # seconds it may take; makemap takes one for 100,000 lines


def run_after(command: tuple[str, ...], path: Path) -> None:
    """Run the program, if there is one; MapError says how it failed."""
    if not command:
        return
    what = f"{path} is written, but {command[0]}"
    try:
        with path.open("rb") as file:
            done = subprocess.run(
                command,
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_PATIENCE,
            )
    except OSError as error:
        raise MapError(f"{what} can't be run: {error.strerror}") from error
    except subprocess.TimeoutExpired:
        raise MapError(f"{what} did not end within {_PATIENCE:.0f} s") from None
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace").strip()[-200:]
        raise MapError(f"{what} ended with status {done.returncode}: {said}")
