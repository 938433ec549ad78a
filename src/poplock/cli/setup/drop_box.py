"""poplock-allow and the drop box it reports to, for the servers that run it at a login."""

import shutil

from ...config import Config
from ...config.sources import SpoolSettings
from ...core.errors import PoplockError


def drop_box(config: Config) -> str:
    """The folder of the configured drop box; PoplockError says what to add where none is."""
    for source in config.source:
        if isinstance(source, SpoolSettings):
            return source.path
    raise PoplockError(
        "the configuration has no drop box for poplock-allow; add to it:\n\n"
        '[[source]]\ntype = "spool"\npath = "/var/spool/poplock"'
    )


def poplock_allow() -> str:
    """Where the program is, or will be once it is installed."""
    return shutil.which("poplock-allow") or "/usr/bin/poplock-allow"
