"""Perdition in front of a Dovecot in the same root, on ports of its own, IPv4."""

from __future__ import annotations

from ..host import Host
from ..roots import CERTIFICATE, KEY
from .dovecot import start_dovecot

PORTS = {
    ("pop3", False): 10110,
    ("pop3", True): 10995,
    ("imap", False): 10143,
    ("imap", True): 10993,
}
_BACKENDS = {"pop3": 110, "imap": 143}
_MODES = {
    ("pop3", False): "pop3",
    ("pop3", True): "pop3s",
    ("imap", False): "imap4",
    ("imap", True): "imap4s",
}


def start_perdition(host: Host) -> None:
    """Dovecot, and one perdition for each service; TLS to clients only, where they ask for it."""
    start_dovecot(host)
    host.run(["sh", "-c", f"install -o nobody -m 400 {KEY} /etc/perdition/key.pem"])
    for which, mode in _MODES.items():
        tls = (
            f"--ssl_mode {'ssl_listen' if which[1] else 'tls_listen'}"
            f" --ssl_cert_file {CERTIFICATE} --ssl_key_file /etc/perdition/key.pem"
        )
        host.run(
            [
                "sh",
                "-c",
                f"mkdir -p /run/perdition.{mode}; perdition.{mode} --config_file /dev/null"
                f" --listen_port {PORTS[which]} --outgoing_server 127.0.0.1:{_BACKENDS[which[0]]}"
                f" --no_lookup --username nobody --group nogroup --map_library '' {tls}",
            ]
        )
    for port in PORTS.values():
        host.wait_for_port(port)
