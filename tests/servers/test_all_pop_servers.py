"""Every POP/IMAP server that Debian has, of both releases: what its log tells, and what that earns.

Each server has a root of its own, with Postfix in it. POP3 and IMAP where it has both; plain, on
its TLS port, and with STARTTLS where it offers that; IPv4 and IPv6 where it listens there.
"""

import json
import time
from collections import Counter
from functools import partial
from pathlib import Path

from click.testing import CliRunner

from poplock.cli.parse import command
from testbed import clients, servers
from testbed.demo import relay_restrictions
from testbed.host import Host
from testbed.servers.model import Server
from testbed.servers.syslog import FILES
from tests.daemon import Poplock
from tests.servers.test_dovecot_postfix import CONFIG

Seen = Counter[tuple[str, str, str | None, str | None]]
Way = tuple[str, bool, bool, int]
LOGIN = {False: "login", True: "login over TLS"}
REMOTE4, NEIGHBOUR, REMOTE6 = "203.0.113.5", "203.0.113.6", "2001:db8:1::5"


def ways(host: Host, server: Server) -> list[Way]:
    """Service, TLS from the beginning, STARTTLS, port: of every way to log in."""
    ports = server.ports_on(host.release)
    plain_and_tls = [(service, tls, False, port) for (service, tls), port in ports.items()]
    upgraded = [(s, False, True, ports[s, False]) for s in server.starttls_on(host.release)]
    return plain_and_tls + upgraded


def play(host: Host, server: Server) -> Seen:
    """Log in and out in every way the server has; (event, service, ip, user) that follow.

    Of logins over TLS, the event is `login over TLS`, where the server says so.
    """
    seen: Seen = Counter()
    untold = host.release in server.starttls_untold
    for source in (REMOTE4, REMOTE6) if server.ipv6 else (REMOTE4,):
        for service, tls, starttls, port in ways(host, server):
            for user in server.users:
                clients.log_in(
                    host,
                    source,
                    service=service,
                    user=user,
                    tls=tls,
                    starttls=starttls,
                    port=port,
                )
                seen[LOGIN[tls or (starttls and not untold)], service, source, user] += 1
                seen["logout", service, source, user] += 1
    for service in {service for service, _ in server.ports_on(host.release)}:
        port = server.ports[service, False]
        clients.log_in(host, NEIGHBOUR, service=service, user="bob", right=False, port=port)
        seen["failure", service, NEIGHBOUR, "bob"] += 1
    return seen


def parsed(log: Path, name: str) -> Seen:
    result = CliRunner().invoke(command, [str(log), "--json", "--dialect", name])
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    logins = {row["session"]: row for row in rows if row["event"] == "login"}
    open_now: dict[object, dict[str, object]] = {}
    ended = set()
    seen: Seen = Counter()
    for row in rows:
        if row["event"] == "login":
            open_now[row["session"]] = row
            ended.discard(row["session"])
        elif row["event"] == "logout" and row["session"]:
            if row["session"] in ended:
                continue  # Cyrus 3.10 tells it twice; the second changes nothing
            ended.add(row["session"])
        # A logout may name the session only; process ids and ports come round again. Dovecot 2.4
        # logs the end of a short session before its login.
        known = open_now.get(row["session"]) or logins.get(row["session"], {})
        ip = row["ip"] or known.get("ip")
        user = row["user"] or known.get("user")
        event = LOGIN[row["tls"] is True] if row["event"] == "login" else str(row["event"])
        seen[event, str(row["service"]), ip, user] += 1  # type: ignore[index]
    return seen


def test_exactly_the_right_events_under_every_prefix(pop_host: Host, pop_name: str) -> None:
    host, name = pop_host, pop_name
    server = servers.POP_SERVERS[name]
    logs = host.shared / "log"
    for file in FILES:
        (logs / file).open("r+").truncate(0)
    expected = play(host, server)
    for file in FILES:
        deadline = time.monotonic() + 10
        while True:  # syslog is on its way for a moment
            seen = parsed(logs / file, name)
            if seen == expected or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        assert seen == expected, (logs / file).read_text()


def test_a_login_earns_relaying_at_a_real_postfix_for_its_address_alone(
    pop_host: Host, pop_name: str, tmp_path: Path
) -> None:
    host, server = pop_host, servers.POP_SERVERS[pop_name]
    config = CONFIG.format(
        window="60m",
        log=host.shared / "log" / "mail-rfc3339.log",
        listen="inet:127.0.0.1:10031",
    )
    with Poplock(tmp_path, config, partial(host.popen, inside=False)) as poplock:
        restrictions = relay_restrictions(poplock.config.read_text())
        servers.reload_postfix(host, {"smtpd_relay_restrictions": restrictions})
        for service, tls, starttls, port in ways(host, server):
            revoked = poplock.run("revoke", "--all")
            assert clients.rcpt(host, REMOTE4)[0] == 554, (
                f"{revoked}\n{poplock.run('check', REMOTE4).stdout}\n"
                f"{poplock.run('history').stdout}"
            )
            log_in = partial(
                clients.log_in,
                host,
                REMOTE4,
                service=service,
                user="alice",
                tls=tls,
                starttls=starttls,
                port=port,
            )
            if not tls and not starttls:  # servers let a refused client wait for seconds
                log_in(right=False)
                assert clients.rcpt(host, REMOTE4)[0] == 554, "a refused login"
            log_in()
            assert clients.rcpt(host, REMOTE4)[0] == 250
            assert clients.rcpt(host, NEIGHBOUR)[0] == 554
        assert {g["network"] for g in poplock.rows("list")} == {f"{REMOTE4}/32"}
