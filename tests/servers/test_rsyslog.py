"""A real rsyslog hands on what a real Dovecot logs, by each way in: `poplock setup rsyslog`'s."""

import signal
import ssl
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from testbed import clients, servers
from testbed.host import Host
from tests.daemon import Poplock

CERTIFICATES = Path(__file__).parent.parent / "samples" / "tls"
SOURCE = """
[[source]]
type = "syslog"
name = "{name}"
listen = ["{listen}"]
dialects = ["dovecot"]
peers = ["127.0.0.0/8", "203.0.113.5/32"]
"""
TLS = """
[source.tls]
certificate = "{0}/server.pem"
key = "{0}/server.key"
client_ca = "{0}/ca.pem"
client_names = ["mx.example.org"]
"""
LINES = """
if $programname == 'dovecot' then action(type="omfwd" target="127.0.0.1" port="10515"
    protocol="tcp" template="RSYSLOG_TraditionalForwardFormat" action.resumeInterval="1"
    queue.type="LinkedList" action.resumeRetryCount="-1")
if $programname == 'dovecot' then action(type="omfwd" target="127.0.0.1" port="10516"
    protocol="tcp" template="RSYSLOG_SyslogProtocol23Format" TCP_Framing="octet-counted"
    action.resumeInterval="1" queue.type="LinkedList" action.resumeRetryCount="-1")
"""
LOGIN = (
    b"<22>Nov 24 10:00:00 mx dovecot: imap-login: Login: user=<mallory>, method=PLAIN,"
    b" rip=203.0.113.66, lip=203.0.113.1, session=<x>\n"
)
WAYS = ("unix", "udp", "counted", "lines", "rfc5424", "tls")


def config(folder: Path) -> str:
    sockets = {
        "unix": f"unixgram:{folder}/syslog.sock",
        "udp": "udp:127.0.0.1:10514",
        "counted": "inet:127.0.0.1:10514",
        "tls": "inet:0.0.0.0:6514",
        "lines": "inet:127.0.0.1:10515",
        "rfc5424": "inet:127.0.0.1:10516",
        "outside": "inet:203.0.113.1:10517",
        "outside-udp": "udp:203.0.113.1:10517",
    }
    text = ""
    for name, listen in sockets.items():
        text += SOURCE.format(name=name, listen=listen)
        if name == "tls":
            text += TLS.format(CERTIFICATES)
    return text


def rsyslog_lines(text: str, folder: Path, host: Host) -> str:
    """What `poplock setup rsyslog` prints, with the root's own paths and names put in."""
    from poplock.cli.setup.rsyslog import lines
    from poplock.config.load import parse_config

    (host.shared / "tls").mkdir()
    for file in ("ca.pem", "client.pem", "client.key"):
        (host.shared / "tls" / file).write_bytes((CERTIFICATES / file).read_bytes())
    wanted = [
        s for s in parse_config(text, "x").source if s.title in ("unix", "udp", "counted", "tls")
    ]
    printed = lines(type(parse_config("", "x"))(source=tuple(wanted)))
    for ours, theirs in {
        str(folder): "/shared/poplock",
        "NAME-OF-THIS-HOST": "127.0.0.1",
        "NAME-IN-OUR-CERTIFICATE": "localhost",
        "/etc/ssl/ca.pem": "/shared/tls/ca.pem",
        "/etc/ssl/sender.pem": "/shared/tls/client.pem",
        "/etc/ssl/sender.key": "/shared/tls/client.key",
        'queue.type="LinkedList"': 'queue.type="LinkedList" action.resumeInterval="1"',
    }.items():
        assert ours in printed, ours
        printed = printed.replace(ours, theirs)
    return printed


@pytest.fixture(scope="module")
def place(release: str) -> Iterator[tuple[Host, Poplock]]:
    with Host(release, servers.DOVECOT_SYSLOG) as host:
        folder = host.shared / "poplock"
        folder.mkdir()
        text = config(folder)
        with Poplock(folder, text, partial(host.popen, inside=False)) as poplock:
            servers.start_rsyslog(host, rsyslog_lines(text, folder, host) + LINES)
            servers.start_dovecot(host)
            yield host, poplock


def sources(poplock: Poplock) -> dict[str, dict[str, Any]]:
    return {s["source"]: s for s in poplock.rows("status")[0]["sources"]}


@pytest.mark.parametrize("service", ["pop3", "imap"])
def test_a_login_comes_in_by_each_way_once(place: tuple[Host, Poplock], service: str) -> None:
    host, poplock = place
    poplock.run("revoke", "--all")
    address = {"pop3": "203.0.113.5", "imap": "203.0.113.6"}[service]
    clients.log_in(host, "203.0.113.7", service=service, right=False)
    clients.log_in(host, address, service=service, tls=True)
    held = lambda: sorted(g["source"] for g in poplock.rows("list"))  # noqa: E731
    poplock.until(lambda: held() == sorted(WAYS), f"{WAYS}, not {held()}")
    assert {g["network"] for g in poplock.rows("list")} == {f"{address}/32"}
    ends = [g["expires_at"] for g in poplock.rows("list")]
    logged = [s["last_login"] for name, s in sources(poplock).items() if name in WAYS]
    assert len(set(ends)) <= len(WAYS)
    assert all(logged)


def test_what_rsyslog_kept_while_poplock_was_down_counts_from_its_own_time(
    place: tuple[Host, Poplock],
) -> None:
    host, poplock = place
    poplock.run("revoke", "--all")
    poplock.end(signal.SIGKILL)
    clients.log_in(host, "203.0.113.8")  # breaks the connections; TCP may lose what it sends first
    clients.log_in(host, "203.0.113.9")
    poplock.start()
    clients.log_in(host, "203.0.113.10")
    late = lambda: {g["network"] for g in poplock.rows("list") if g["source"] in ("counted", "tls")}  # noqa: E731
    poplock.until(lambda: {"203.0.113.9/32", "203.0.113.10/32"} <= late(), f"all, not {late()}")
    times = {
        (g["source"], g["network"]): g["last_login"]
        for g in poplock.rows("list")
        if g["network"] == "203.0.113.9/32"
    }
    assert len({t for (name, _), t in times.items() if name in ("counted", "tls")}) == 1


def say(host: Host, source: str, port: int, certificate: str | None = None) -> None:
    """Tell of a login, over TLS on its port, and wait until the connection is closed."""
    try:
        with host.connect(source, port) as peer:
            message = LOGIN
            if port == 6514:
                context = ssl.create_default_context(cafile=str(CERTIFICATES / "ca.pem"))
                if certificate is not None:
                    file = CERTIFICATES / certificate
                    context.load_cert_chain(f"{file}.pem", f"{file}.key")
                peer = context.wrap_socket(peer, server_hostname="localhost")
                message = b"%d %b" % (len(LOGIN), LOGIN)
            peer.sendall(message)
            assert peer.recv(1) == b""
    except OSError:
        pass


def refused(poplock: Poplock, name: str, times: int) -> None:
    count = lambda: sources(poplock)[name]["refused"]  # noqa: E731
    poplock.until(lambda: count() >= times, f"{times} refused by {name}, not {count()}")


def test_strangers_are_refused_counted_and_logged_at_a_limited_rate(
    place: tuple[Host, Poplock],
) -> None:
    host, poplock = place
    poplock.run("revoke", "--all")
    begin = {name: s["refused"] for name, s in sources(poplock).items()}
    for _ in range(5):  # not listed: 203.0.113.6
        say(host, "203.0.113.6", 10517)
        say(host, "203.0.113.6", 6514, certificate="client")
    with host.connect("203.0.113.5", 10517) as listed:  # the same from who is listed
        listed.sendall(LOGIN.replace(b".66", b".67"))
    refused(poplock, "outside", begin["outside"] + 5)
    refused(poplock, "tls", begin["tls"] + 5)
    poplock.until(lambda: len(poplock.rows("list")) == 1, "the listed peer's login")
    assert poplock.rows("list")[0]["network"] == "203.0.113.67/32"
    log = poplock.log.read_text()
    assert log.count("outside: refused 203.0.113.6: it is not among the peers") == 1
    assert log.count("tls: refused 203.0.113.6: it is not among the peers") == 1


@pytest.mark.parametrize("certificate", [None, "stranger"])
def test_tls_without_the_authoritys_certificate_is_refused(
    place: tuple[Host, Poplock], certificate: str | None
) -> None:
    host, poplock = place
    poplock.run("revoke", "--all")
    before = sources(poplock)["tls"]["refused"]
    for _ in range(3):
        say(host, "203.0.113.5", 6514, certificate=certificate)
    refused(poplock, "tls", before + 3)
    assert poplock.rows("list") == []
    assert poplock.log.read_text().count("tls: refused 203.0.113.5: no TLS: ") == 1
