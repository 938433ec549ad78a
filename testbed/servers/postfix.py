"""Postfix, beside the POP and IMAP servers."""

from __future__ import annotations

from collections.abc import Mapping

from ..host import Host

PREPARE_POSTFIX = (
    "echo postfix postfix/main_mailer_type select No configuration | debconf-set-selections"
)


def start_postfix(host: Host, settings: Mapping[str, str]) -> None:
    """An MTA that delivers nothing anywhere; `settings` go into main.cf."""
    main = {
        "compatibility_level": "3.6",
        "myhostname": "mx.example.org",
        "mydestination": "example.org",
        "mynetworks": "192.0.2.254/32",
        "inet_interfaces": "all",
        "inet_protocols": "all",
        "local_recipient_maps": "",
        "default_transport": "discard:",
        "local_transport": "discard:",
        "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
        "smtpd_peername_lookup": "no",
        **settings,
    }
    host.write("/etc/postfix/main.cf", "".join(f"{k} = {v}\n" for k, v in main.items()))
    host.run(
        [
            "sh",
            "-c",
            "test -e /etc/postfix/master.cf || cp /usr/share/postfix/master.cf.dist"
            " /etc/postfix/master.cf; mkdir -p /var/spool/postfix/etc;"
            " cp /etc/resolv.conf /etc/hosts /etc/services /etc/nsswitch.conf"
            " /var/spool/postfix/etc/; touch /etc/aliases; newaliases; postfix start",
        ]
    )
    host.wait_for_port(25)


def reload_postfix(host: Host, settings: Mapping[str, str]) -> None:
    """Change main.cf and have every process read it."""
    for key, value in settings.items():
        host.run(["postconf", "-e", f"{key}={value}"])
    host.run(["postfix", "reload"])
