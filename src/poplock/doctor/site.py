"""What the checks look at, and what they say."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ..config import Config
from ..config.maps import MapSettings
from ..office import Row

_PATIENCE = 20.0  # seconds for an MTA to print its configuration


class Level(StrEnum):
    """How bad it is. Only `BAD` makes the exit status 1."""

    WELL = "ok"
    LOOK = "look"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen, where, and what to do about it."""

    level: Level
    where: str
    what: str
    mend: str = ""


def well(where: str, what: str) -> Finding:
    return Finding(Level.WELL, where, what)


def look(where: str, what: str, mend: str = "") -> Finding:
    return Finding(Level.LOOK, where, what, mend)


def bad(where: str, what: str, mend: str) -> Finding:
    return Finding(Level.BAD, where, what, mend)


@dataclass(frozen=True)
class Site:
    """One host: poplock's configuration, what its daemon says, and the files of the host."""

    config: Config
    config_path: Path
    status: Row | None = None
    """What the daemon says of itself; None where none runs."""
    grants: Sequence[Row] = ()
    history: Sequence[Row] = ()
    root: Path = field(default_factory=lambda: Path("/"))

    def path(self, name: str) -> Path:
        """A file of the host."""
        return self.root / name.lstrip("/")

    def read(self, name: str) -> str | None:
        """A text file; None where it isn't there or can't be read."""
        try:
            return self.path(name).read_text(errors="replace")
        except OSError:
            return None

    def output(self, *command: str) -> str | None:
        """What a program of the host prints; None where it is missing or fails."""
        where = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin:/usr/local/sbin"
        program = shutil.which(command[0], path=where)
        if program is None:
            return None
        try:
            done = subprocess.run(
                [program, *command[1:]],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_PATIENCE,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None

    def maps(self, *kinds: type[MapSettings]) -> list[MapSettings]:
        """The configured maps of these types."""
        return [m for m in self.config.map if isinstance(m, kinds)]
