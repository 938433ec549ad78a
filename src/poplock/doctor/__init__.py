"""`poplock doctor`: is this installation as it should be, seen from outside?

Each check is a function of the `Site` that yields findings; it looks and changes nothing. Rooms:
`service` (daemon, sources, maps), `clients` (who hides behind whom), one file an MTA, and the
open-relay self-test. A check that can't look says so: silence would read as "all well".
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import cast

from .site import Finding, Site

Check = Callable[[Site], Iterator[Finding]]

CHECKS = {
    "service": "service:check_daemon",
    "sources": "service:check_sources",
    "maps": "service:check_maps",
    "clients": "clients:check",
    "postfix": "postfix:check",
    "exim": "exim:check",
    "sendmail": "sendmail:check",
    "opensmtpd": "opensmtpd:check",
    "qmail": "qmail:check",
    "courier": "courier:check",
}


def examine(site: Site) -> Iterator[Finding]:
    """Every finding of every check."""
    for row in CHECKS.values():
        module, _, name = row.partition(":")
        yield from cast(Check, getattr(import_module(f".{module}", __name__), name))(site)


__all__ = ["CHECKS", "Check", "Finding", "Site", "examine"]
