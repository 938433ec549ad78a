"""Records what a real server logs, in the form of `tests/samples/dialects/NAME.log`.

    python -m testbed.record NAME RELEASE      such as `cyrus trixie`

Logins and logouts, refused and hostile names, connections that break off, on each port and by each
kind of address that the server has. Above each line stands what the dialect reads in it today, or
`null`: compare that with what the clients did (`play`, in its order) before you paste it.
"""

from __future__ import annotations

import json
import re
import sys
import time
from contextlib import suppress

from poplock.core.events import Event, Login, Logout
from poplock.dialects import load
from poplock.dialects.scanner import Scanner

from . import clients, servers
from .host import Host
from .servers.model import Server

CLIENTS = ("203.0.113.5", "2001:db8:1::5")
NAMED = "203.0.113.6"  # /etc/hosts knows a name for it
HOSTILE = b'a", rip=198.51.100.7 [198.51.100.7] - 198.51.100.7'
_HOST = re.compile(rb"^(\S+ +\d+ \S+) \S+ ")


def play(host: Host, server: Server) -> None:
    """What a server's clients do."""
    for (service, tls), port in server.ports_on(host.release).items():
        for source in CLIENTS if server.ipv6 else CLIENTS[:1]:
            for user in server.users:
                clients.log_in(host, source, service=service, user=user, tls=tls, port=port)
        clients.log_in(host, NAMED, service=service, user="bob", tls=tls, port=port)
        clients.log_in(host, NAMED, service=service, user="bob", right=False, tls=tls, port=port)
        if not tls:
            if service in server.starttls_on(host.release):
                clients.log_in(host, CLIENTS[0], service=service, starttls=True, port=port)
            break_off(host, service, port)


def break_off(host: Host, service: str, port: int) -> None:
    """A login without a goodbye, a hostile name, and a connection that never logs in."""
    secret = servers.password("alice")
    if service == "pop3":
        steps = [b"USER alice\r\n", b"PASS " + secret.encode() + b"\r\n"]
        hostile = [b"USER " + HOSTILE + b"\r\n", b"PASS wrong\r\n"]
    else:
        steps = [b"a LOGIN alice " + secret.encode() + b"\r\n"]
        hostile = [b"a LOGIN {%d}\r\n" % len(HOSTILE), HOSTILE + b" wrong\r\n"]
    for parts in (steps, hostile, []):
        with suppress(OSError), host.connect(CLIENTS[0], port) as sock:
            sock.settimeout(10)
            sock.recv(4096)
            for part in parts:
                sock.sendall(part)
                sock.recv(4096)


def describe(event: Event) -> str:
    """An event as the samples have it, without what isn't told."""
    kind = {Login: "login", Logout: "logout"}.get(type(event), "failure")
    told = {
        "event": kind,
        "ip": None if event.ip is None else str(event.ip),
        "user": event.user,
        "service": event.service,
        "tls": event.tls,
        "session": event.session,
    }
    kept = {k: v for k, v in told.items() if v is not None or k == "user"}
    return json.dumps(kept)


def expectation(scanner: Scanner, line: bytes) -> str:
    """What stands above a line: an event, `null half` or `null`."""
    waiting = dict(scanner.pending._halves)
    events = scanner.feed(line + b"\n", time.time())
    if events:
        return describe(events[0])
    return "null half" if scanner.pending._halves != waiting else "null"


def record(name: str, release: str) -> None:
    """Run the server, and print what it logged."""
    server = servers.POP_SERVERS[name]
    (dialect,) = load([name])
    tags = tuple({tag for rule in dialect.rules for tag in rule.tags})
    with Host(release, server.packages, servers.PREPARE_POSTFIX) as host:
        host.run(["sh", "-c", f"echo {NAMED} ptr.example.net >> /etc/hosts"])
        servers.start_rsyslog(host)
        server.start(host)
        play(host, server)
        host.run(
            [
                "sh",
                "-c",
                "kill $(cat /run/rsyslogd.pid); while test -e /run/rsyslogd.pid;"
                " do sleep 0.05; done",
            ]
        )
        log = (host.shared / "log" / "mail.log").read_bytes()
        query = ["dpkg-query", "-W", "-f=${Package} ${Version}, ", *server.packages]
        versions = host.run(query).rstrip(", \n")
    out = sys.stdout.buffer
    out.write(f"# Recorded on Debian {release}: {versions}; the host renamed.\n".encode())
    scanner = Scanner([dialect])
    for line in log.splitlines():
        renamed = _HOST.sub(rb"\1 mx ", line)
        if re.search(rb" mx (?:" + b"|".join(map(re.escape, tags)) + rb")[\[:]", renamed):
            out.write(b"#= " + expectation(scanner, renamed).encode() + b"\n" + renamed + b"\n")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in servers.POP_SERVERS:
        sys.exit(f"python -m testbed.record {'|'.join(servers.POP_SERVERS)} bookworm|trixie")
    record(*sys.argv[1:])
