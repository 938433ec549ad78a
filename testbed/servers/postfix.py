"""Postfix, beside the POP and IMAP servers."""

from __future__ import annotations

from collections.abc import Mapping

from ..host import Host

PREPARE_POSTFIX = (
    "echo postfix postfix/main_mailer_type select No configuration | debconf-set-selections"
)
_OLD = "touch -d '1 minute ago'"
"""Shell: each of Postfix's programs waits while a file that it reads is younger than a second."""


def start_postfix(host: Host, settings: Mapping[str, str]) -> None:
    """An MTA that delivers nothing anywhere; `settings` go into main.cf."""
    main = {
        "compatibility_level": "3.6",
        "myhostname": "mx.example.org",
        "mydestination": "example.org",
        "mynetworks": "192.0.2.254/32",
        "inet_interfaces": "all",
        "inet_protocols": "all",
        "alias_maps": "",
        "local_recipient_maps": "",
        "default_transport": "discard:",
        "local_transport": "discard:",
        "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
        "smtpd_peername_lookup": "no",
        # A recipient that was accepted and no message after it, fifty times: then a second each.
        "in_flow_delay": "0",
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
            f" /var/spool/postfix/etc/; {_OLD} /etc/postfix/main.cf; postfix start",
        ]
    )
    host.wait_for_port(25)


def reload_postfix(host: Host, settings: Mapping[str, str]) -> None:
    """Change main.cf and have every process read it."""
    host.run(["postconf", "-e", *(f"{key}={value}" for key, value in settings.items())])
    host.run(["sh", "-c", f"{_OLD} /etc/postfix/main.cf; postfix reload"])
