"""Servers whose logs need nothing but to be named: teapop, gnu-pop3d, vm-pop3d."""

from ...config import Config
from .logs import logs


def teapop(config: Config) -> str:
    """Where Teapop's logins are read, and where it logs."""
    paths = logs(config, "teapop")
    return f"""\
# /etc/rsyslog.d/10-poplock.conf
# Teapop logs to facility local0, of which mail logs hold nothing.
local0.info {paths[0]}

# Then: systemctl restart rsyslog
# See what poplock reads:      poplock parse --dialect teapop {paths[0]}
"""


def gnu_pop3d(config: Config) -> str:
    """Where gnu-pop3d's logins are read."""
    return _plain(config, "gnu_pop3d", "gnu-pop3d")


def vm_pop3d(config: Config) -> str:
    """Where vm-pop3d's logins are read."""
    return _plain(config, "vm_pop3d", "vm-pop3d")


def _plain(config: Config, dialect: str, server: str) -> str:
    paths = logs(config, dialect)
    return f"""\
# {server} needs no change: poplock reads {" and ".join(paths)}.
# Where it tells a login in two lines, they are joined by process id: syslog must keep that.
# See what poplock reads:      poplock parse --dialect {dialect} {paths[0]}
"""
