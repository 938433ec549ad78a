"""`poplock parse` on logs that real servers have just written: exactly what the clients did."""

import json
import time
from collections import Counter
from pathlib import Path

from click.testing import CliRunner

from poplock.cli.parse import command
from testbed import clients, servers
from testbed.host import Host
from testbed.servers import DOVECOT_POSTFIX, PREPARE_POSTFIX

Seen = Counter[tuple[str, str, str, str | None]]


def play(host: Host, users: tuple[str, ...], failed_service: str) -> Seen:
    """Log in and out in many ways; what the log should say: (event, service, ip, user)."""
    seen: Seen = Counter()
    for source in ("203.0.113.5", "127.0.0.3", "2001:db8:1::5"):
        for service in ("pop3", "imap"):
            for tls in (False, True):
                for user in users:
                    clients.log_in(host, source, service=service, user=user, tls=tls)
                    seen["login", service, source, user] += 1
                    seen["logout", service, source, user] += 1
        clients.log_in(host, source, service=failed_service, user="bob", right=False)
        seen["failure", failed_service, source, "bob"] += 1
    return seen


def parsed(log: Path, dialect: str) -> tuple[Seen, list[dict[str, object]]]:
    result = CliRunner().invoke(command, [str(log), "--json", "--dialect", dialect])
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    by_session = {r["session"]: r["ip"] for r in rows if r["event"] == "login"}
    seen: Seen = Counter()
    for row in rows:
        ip = row["ip"] or by_session.get(row["session"])
        seen[row["event"], row["service"], ip, row["user"]] += 1
    return seen, rows


def compare(log: Path, dialect: str, expected: Seen) -> None:
    deadline = time.monotonic() + 10
    while True:  # syslog is on its way for a moment
        seen, rows = parsed(log, dialect)
        if seen == expected or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    assert seen == expected, log.read_text()
    logins = [r for r in rows if r["event"] == "login"]
    assert len({r["session"] for r in logins}) == len(logins)


def test_dovecot_through_syslog_in_both_stamp_formats(dovecot_postfix: Host) -> None:
    log = dovecot_postfix.shared / "log"
    for file in log.iterdir():
        file.open("r+").truncate(0)
    expected = play(dovecot_postfix, ("alice", "carol@example.org"), "imap")
    compare(log / "mail.log", "dovecot", expected)
    compare(log / "mail-rfc3339.log", "dovecot", expected)


def test_dovecots_own_log(release: str) -> None:
    with Host(release, DOVECOT_POSTFIX, PREPARE_POSTFIX) as host:
        servers.start_dovecot(host, own_log=True)
        expected = play(host, ("alice",), "pop3")
        compare(host.shared / "log" / "dovecot.log", "dovecot", expected)


def test_courier(courier: Host) -> None:
    log = courier.shared / "log"
    for file in log.iterdir():
        file.open("r+").truncate(0)
    expected = play(courier, ("alice", "bob"), "pop3")
    compare(log / "mail.log", "courier", expected)
    compare(log / "mail-rfc3339.log", "courier", expected)
