"""Courier's POP3 and IMAP servers."""

from __future__ import annotations

from ..host import Host
from .accounts import NO_PAUSE
from .users import password


def start_courier(host: Host) -> None:
    """POP3 and IMAP, plain and TLS, for alice and bob of the system's users."""
    commands = [
        "cat /etc/ssl/testbed/key.pem /etc/ssl/testbed/cert.pem > /etc/courier/both.pem",
        NO_PAUSE,
    ]
    for name in ("alice", "bob"):
        commands += [
            f"useradd -m {name}",
            f"echo {name}:{password(name)} | chpasswd",
            f"su {name} -c 'maildirmake ~/Maildir || maildirmake.courier ~/Maildir'",
        ]
    for file in ("imapd", "pop3d", "imapd-ssl", "pop3d-ssl"):
        commands.append(
            "sed -i -e 's/^MAXPERIP=.*/MAXPERIP=400/' -e 's/^MAXDAEMONS=.*/MAXDAEMONS=400/'"
            " -e 's,^TLS_CERTFILE=.*,TLS_CERTFILE=/etc/courier/both.pem,'"
            f" /etc/courier/{file}"
        )
    for service in ("authdaemon", "pop", "imap", "pop-ssl", "imap-ssl"):
        script = f"/etc/init.d/courier-{service}"
        commands.append(f"test ! -e {script} || {script} start")
    host.run(["sh", "-c", "set -e\n" + "\n".join(commands)])
    for port in (110, 143, 993, 995):
        host.wait_for_port(port)
