"""tpop3d's logins are read from its log."""

from ...config import Config
from .logs import logs


def lines(config: Config) -> str:
    """Where tpop3d's logins are read, and what it must log."""
    paths = logs(config, "tpop3d")
    return f"""\
# poplock reads {" and ".join(paths)}.
# tpop3d needs no change, unless /etc/tpop3d.conf sets log-level above info; then:
log-level: info
# See what poplock reads:      poplock parse --dialect tpop3d {paths[0]}
"""
