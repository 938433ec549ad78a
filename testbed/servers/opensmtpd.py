"""OpenSMTPD: 6.8 of Debian 12, and 7.6 of Debian 13, the first with table programs of lines."""

from __future__ import annotations

from ..host import Host

OPENSMTPD = ("opensmtpd", "python3", "rsyslog")


_TABLE_POPLOCK = "/usr/libexec/opensmtpd/table-poplock"


def install_table_poplock(host: Host, source: str) -> None:
    """The program where smtpd looks for it. Nothing beside the standard library is needed."""
    run = f"PYTHONPATH={source} exec python3 -m poplock.opensmtpd_table"
    host.write(_TABLE_POPLOCK, f'#!/bin/sh\n{run} "$@"\n', 0o755)


def start_opensmtpd(
    host: Host,
    table: str,
    match: str = 'match from src <poplock> for any action "outbound"',
    listen: str = "listen on 0.0.0.0",
) -> None:
    """An MTA for example.org, where `user` lives, that relays for the clients of `table`.

    `listen` is for IPv4, and what it needs.
    """
    host.run(["useradd", "-m", "user"])
    # It looks up each client's name before it greets; here nobody answers but this file.
    addresses = [f"{net}{i}" for net in ("203.0.113.", "2001:db8:1::") for i in range(2, 10)]
    names = "".join(f"{a} client-{i}.test\n" for i, a in enumerate([*addresses, "2001:db8:2::2"]))
    host.write("/etc/hosts", host.run(["cat", "/etc/hosts"]) + names)
    host.write(
        "/etc/smtpd.conf",
        f"{table}\n"
        f"{listen}\n"
        "listen on ::\n"
        'action "local" mbox\n'
        'action "outbound" relay\n'
        'match from any for domain "example.org" action "local"\n'
        f"{match}\n",
    )
    host.run(["smtpd"])
    host.wait_for_port(25)
