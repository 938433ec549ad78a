"""Courier's logins are read from its log."""

from ...config import Config
from .logs import logs


def lines(config: Config) -> str:
    """Where Courier's logins are read."""
    paths = logs(config, "courier")
    return f"""\
# Courier needs no change: its pop3d and imapd log every login and logout, and poplock reads
# {" and ".join(paths)}.
# See what poplock reads:      poplock parse --dialect courier {paths[0]}
"""
