"""Every POP/IMAP server that Debian has, of both releases: what its log tells, and what that earns.

Each server has a root of its own, with Postfix in it. POP3 and IMAP where it has both, plain and on
its TLS port, IPv4 and IPv6 where it listens there.
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
REMOTE4, NEIGHBOUR, REMOTE6 = "203.0.113.5", "203.0.113.6", "2001:db8:1::5"


def play(host: Host, server: Server) -> Seen:
    """Log in and out in every way the server has; (event, service, ip, user) that follow."""
    seen: Seen = Counter()
    for source in (REMOTE4, REMOTE6) if server.ipv6 else (REMOTE4,):
        for (service, tls), port in server.ports_on(host.release).items():
            for user in server.users:
                clients.log_in(host, source, service=service, user=user, tls=tls, port=port)
                seen["login", service, source, user] += 1
                seen["logout", service, source, user] += 1
    for service in {service for service, _ in server.ports_on(host.release)}:
        port = server.ports[service, False]
        clients.log_in(host, NEIGHBOUR, service=service, user="bob", right=False, port=port)
        seen["failure", service, NEIGHBOUR, "bob"] += 1
    return seen


def parsed(log: Path, name: str) -> tuple[Seen, list[dict[str, object]]]:
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
        seen[str(row["event"]), str(row["service"]), ip, user] += 1  # type: ignore[index]
    return seen, rows


def test_exactly_the_right_events_under_every_prefix(pop_host: Host, pop_name: str) -> None:
    host, name = pop_host, pop_name
    server = servers.POP_SERVERS[name]
    ports, logs = server.ports_on(host.release), host.shared / "log"
    for file in FILES:
        (logs / file).open("r+").truncate(0)
    expected = play(host, server)
    for file in FILES:
        deadline = time.monotonic() + 10
        while True:  # syslog is on its way for a moment
            seen, rows = parsed(logs / file, name)
            if seen == expected or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        assert seen == expected, (logs / file).read_text()
        told = {(row["service"], row["tls"]) for row in rows if row["event"] == "login"}
        for service, tls in told:
            assert tls is not True or (service, True) in ports
        assert {s for s, t in ports if t} == {s for s, t in told if t}, "TLS is told"


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
        for (service, tls), port in server.ports_on(host.release).items():
            poplock.run("revoke", "--all")
            assert clients.rcpt(host, REMOTE4)[0] == 554, poplock.run("check", REMOTE4).stdout
            log_in = partial(
                clients.log_in, host, REMOTE4, service=service, user="alice", tls=tls, port=port
            )
            if not tls:  # servers let a refused client wait for seconds
                log_in(right=False)
                assert clients.rcpt(host, REMOTE4)[0] == 554, "a refused login"
            log_in()
            assert clients.rcpt(host, REMOTE4)[0] == 250
            assert clients.rcpt(host, NEIGHBOUR)[0] == 554
        assert {g["network"] for g in poplock.rows("list")} == {f"{REMOTE4}/32"}
