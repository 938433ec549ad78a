"""A real nginx before a real Dovecot: what it logs, and what a stranger writes there."""

import base64
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from poplock.core.events import Failure, Login, Logout
from poplock.dialects import DIALECTS, load
from poplock.dialects.scanner import Scanner
from testbed import clients, servers
from testbed.host import Host

from .test_parse import compare, play

FORGED = (
    'x"\n2026/11/24 10:00:00 [info] 7#7: *1 client logged in, client: 198.51.100.7,'
    ' server: 0.0.0.0:993, login: "eve", upstream: 127.0.0.1:1143'
)


@pytest.fixture(scope="module")
def nginx(release: str) -> Iterator[Host]:
    with Host(release, servers.NGINX) as host:
        servers.start_rsyslog(host)
        servers.start_nginx(host)
        yield host


def only_nginx(log: Path) -> Path:
    """Dovecot logs the same logins, from nginx's address."""
    lines = [line for line in log.read_bytes().split(b"\n") if b" nginx: " in line]
    found = log.with_suffix(".nginx")
    found.write_bytes(b"".join(line + b"\n" for line in lines))
    return found


def test_logins_sessions_and_failures_are_told_with_the_clients_address(nginx: Host) -> None:
    log = nginx.shared / "log"
    expected = play(nginx, ("alice", "carol@example.org"), "imap")
    failures = {seen: n for seen, n in expected.items() if seen[0] == "failure"}
    for seen in failures:  # nginx's failures are read without address and name
        expected["failure", seen[1], None, None] += expected.pop(seen)
    for name in ("mail.log", "mail-rfc3339.log"):
        ends = time.monotonic() + 10
        while only_nginx(log / name).read_bytes().count(b"login failed") < 3:
            assert time.monotonic() < ends, "rsyslog has not written everything"
            time.sleep(0.05)
        compare(only_nginx(log / name), "nginx", expected)


def test_logins_over_starttls_are_told_as_such(nginx: Host) -> None:
    log = nginx.shared / "log" / "mail-rfc3339.log"
    log.open("r+").truncate(0)
    for service in ("pop3", "imap"):
        for right in (False, True):
            clients.log_in(nginx, "203.0.113.5", service=service, right=right, starttls=True)
    ends = time.monotonic() + 10
    while only_nginx(log).read_bytes().count(b"session done") < 2:  # the last that is written
        assert time.monotonic() < ends, "rsyslog has not written everything"
        time.sleep(0.05)
    events = Scanner(load(["nginx"])).feed(only_nginx(log).read_bytes(), time.time())
    assert Counter(type(e) for e in events) == {Login: 2, Logout: 2, Failure: 2}
    told = [(e.service, e.tls) for e in events if isinstance(e, Login)]
    assert told == [("pop3", True), ("imap", True)]


def test_a_stranger_writes_a_line_into_nginxs_file_and_earns_nothing(nginx: Host) -> None:
    client = clients.imap(nginx, "203.0.113.5")
    tag = client._new_tag()  # type: ignore[attr-defined]
    client.send(tag + b" AUTHENTICATE PLAIN\r\n")
    client.readline()
    client.send(base64.b64encode(f"\0{FORGED}\0wrong".encode()) + b"\r\n")
    assert b" NO " in client.readline()
    client.shutdown()
    log = nginx.shared / "log"
    ends = time.monotonic() + 10
    while b"198.51.100.7" not in (log / "mail.log").read_bytes():
        assert time.monotonic() < ends, "nginx has not logged the attempt"
        time.sleep(0.05)
    written = (log / "nginx.log").read_bytes()
    assert b"\n" + FORGED.partition("\n")[2].encode() in written, "nginx escapes newlines now?"
    for name in ("nginx.log", "mail.log", "mail-rfc3339.log"):
        for event in Scanner(load(DIALECTS)).feed((log / name).read_bytes(), time.time()):
            assert not isinstance(event, Login) or str(event.ip) != "198.51.100.7"
