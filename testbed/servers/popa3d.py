"""popa3d as a daemon: POP3 over IPv4."""

from __future__ import annotations

from ..host import Host
from .accounts import add_accounts


def start_popa3d(host: Host) -> None:
    """As Debian's init script starts it."""
    add_accounts(host)
    host.run(["popa3d", "-D"])
    host.wait_for_port(110)
