"""Tells systemd how we are: sd_notify(3), by its datagram protocol.

Without $NOTIFY_SOCKET all of it does nothing.
"""

import os
import socket


def notify(*lines: str) -> None:
    """Send `READY=1`, `STOPPING=1`, `WATCHDOG=1`, `STATUS=...`."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.connect(address)
            sock.send("\n".join(lines).encode())
        except OSError:
            return  # systemd is gone or restarting; we serve on


def watchdog_seconds() -> float | None:
    """How often systemd wants to hear from us, at most; None where it doesn't ask."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or os.environ.get("WATCHDOG_PID", "") not in (
        "",
        str(os.getpid()),
    ):
        return None
    return int(microseconds) / 1_000_000
