"""imapproxy (up-imapproxy) in front of a Dovecot in the same root; IMAP without TLS to clients."""

from __future__ import annotations

from ..host import Host
from .dovecot import start_dovecot

IMAPPROXY_PORTS = {("imap", False): 1143}


def start_imapproxy(host: Host) -> None:
    """Dovecot, and Debian's imapproxy with the address of the server in its configuration."""
    start_dovecot(host)
    host.run(
        [
            "sh",
            "-c",
            "sed -i 's/^server_hostname .*/server_hostname 127.0.0.1/' /etc/imapproxy.conf"
            " && /etc/init.d/imapproxy start",
        ]
    )
    host.wait_for_port(IMAPPROXY_PORTS["imap", False])
