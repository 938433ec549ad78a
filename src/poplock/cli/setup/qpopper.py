"""Qpopper's logins are read from its log."""

from ...config import Config
from .logs import logs


def lines(config: Config) -> str:
    """Where Qpopper's logins are read, and what it must log."""
    paths = logs(config, "qpopper")
    return f"""\
# poplock reads {" and ".join(paths)}.
# Qpopper must log its logins: built with --enable-log-login, or with its option log-login set to
#   (v%0) POP login by user "%1" at (%2) %3
# Else start it with -s: it then logs Stats when a session ends, and the grant begins there.
# See what poplock reads:      poplock parse --dialect qpopper {paths[0]}
"""
