"""Strangers who write successful logins into the logs of real servers, wherever they are let.

Each POP/IMAP server of Debian's logs into one file with Postfix, as it comes; poplock reads that
file with every dialect on. The attacker has no password. In user names, SASL names, IMAP literals
and IDs, APOP names, EHLO and HELO names, envelope addresses and the names of servers in TLS it
sends the success lines of every dialect's samples, with the address 198.51.100.7 in them: nothing
may come of that.

The text of each dialect is sent in each of these ways, and in each of the wraps by some way.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

from click.testing import CliRunner

from poplock.cli.parse import command
from poplock.dialects import DIALECTS
from testbed import clients, servers
from testbed.demo import relay_restrictions
from testbed.host import Host
from testbed.roots import CERTIFICATE, KEY
from testbed.servers.model import Server
from testbed.servers.syslog import FILES
from tests.contract.test_dialects import HALF, samples
from tests.daemon import Poplock
from tests.servers.test_dovecot_postfix import CONFIG

ADDRESS, FORGED = "203.0.113.5", b"198.51.100.7"
ATTACKERS = [f"203.0.113.{i}" for i in range(7, 21)]  # one alone is made to wait ever longer
POSTFIX_TLS = {
    "smtpd_tls_security_level": "may",
    "smtpd_tls_cert_file": CERTIFICATE,
    "smtpd_tls_key_file": KEY,
    "smtpd_tls_loglevel": "1",
    # Without such a map it doesn't look at the name.
    "tls_server_sni_maps": f"inline:{{other.example.org={CERTIFICATE}}}",
}
_WORKERS = 80  # most servers let a refused client wait for seconds
_PATIENCE = 4.0  # seconds for an answer: some texts leave a server waiting for more
_ADDRESS = re.compile(rb"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])|2001:db8[0-9a-f:]*")
_TEXT = re.compile(rb"^(?:[A-Z].{14}|\d{4}-\S+) \S+ [^ :]+: ")


def told(name: str) -> list[bytes]:
    """A dialect's first login, and the first halves of logins told in two lines."""
    found = samples(name)
    logins = [line for expected, line in found if expected and expected["event"] == "login"]
    return logins[:1] + [line for expected, line in found if expected == HALF][:1]


def forgeries() -> list[bytes]:
    """Texts to send: a success line of each dialect, whole and from its text on, in many wraps."""
    lines = [_ADDRESS.sub(FORGED, line) for name in DIALECTS for line in told(name)]
    texts = [_TEXT.sub(b"", line) for line in lines]
    wraps: list[Callable[[bytes], bytes]] = [
        lambda text: text,
        lambda text: b"x\r\n" + text,
        lambda text: b'x">] ' + text + b"\xff\xfe'",
    ]
    sent = [wrap(text) for wrap in wraps for text in texts]
    sent += [b"x\n" + line for line in lines] + [b"x\x00" + texts[0], texts[0] + b"y" * 10_000]
    sent += [b", rip=198.51.100.7, lip=::1", b"a>, method=PLAIN, rip=198.51.100.7, x=<b"]
    return sent


class Talk(NamedTuple):
    """What is said to one port, and by which name the server is called in TLS."""

    port: int
    parts: tuple[bytes, ...]
    name: bytes | None = None
    upgrade: bytes = b""
    """The command after which TLS begins; without one it does at once, if there is a name."""


def say(host: Host, attacker: str, talk: Talk) -> None:
    """Send one part after each answer; whatever the server does is right."""
    with suppress(OSError), ExitStack() as exits:
        sock = exits.enter_context(host.connect(attacker, talk.port))
        sock.settimeout(_PATIENCE)
        if talk.upgrade:
            sock.recv(65_536)
            sock.sendall(talk.upgrade)
            sock.recv(65_536)
        if talk.name is not None:
            sock = exits.enter_context(clients.over_tls(sock, talk.name))
        if not talk.upgrade and not sock.recv(65_536):
            return
        for part in talk.parts:
            sock.sendall(part)
            if not sock.recv(65_536):
                return


def pop3(text: bytes) -> Iterator[tuple[bytes, ...]]:
    plain = base64.b64encode(b"\0" + text.replace(b"\0", b"") + b"\0wrong")
    yield b"USER " + text + b"\r\n", b"PASS wrong\r\n", b"QUIT\r\n"
    yield b"APOP " + text + b" 0123456789abcdef0123456789abcdef\r\n", b"QUIT\r\n"
    yield b"AUTH PLAIN " + plain + b"\r\n", b"QUIT\r\n"


def imap(text: bytes) -> Iterator[tuple[bytes, ...]]:
    plain = base64.b64encode(b"\0" + text.replace(b"\0", b"") + b"\0wrong")
    quoted = re.sub(rb"[\r\n\0]", b" ", text).replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    literal = b"a LOGIN {%d}\r\n" % len(text)
    yield literal, text + b" wrong\r\n", b"b LOGOUT\r\n"
    yield b'a ID ("name" "' + quoted + b'")\r\n', b'b LOGIN "' + quoted + b'" wrong\r\n'
    yield b"a AUTHENTICATE PLAIN\r\n", plain + b"\r\n", b"b LOGOUT\r\n"


def smtp(text: bytes) -> Iterator[tuple[bytes, ...]]:
    line = re.sub(rb"[\r\n\0]", b" ", text)[:900]
    rest = (b"MAIL FROM:<" + line + b">\r\n", b"RCPT TO:<" + line + b">\r\n", b"QUIT\r\n")
    yield b"EHLO " + line + b"\r\n", *rest
    yield (
        b"HELO " + line + b"\r\n",
        b"MAIL FROM:<a@b.test>\r\n",
        b"RCPT TO:<x@y.test>\r\n",
        line + b"\r\n",
    )


def sni(text: bytes) -> bytes:
    """A text as the name in a TLS handshake, as far as one may go: 255 bytes, no NUL."""
    return bytes(c for c in text if 0 < c < 0x80)[:255].lstrip(b".")


def over_tls(host: Host, server: Server) -> Iterator[Talk]:
    """Every text as the name that a client looks for (SNI): to Postfix, and to one of the ports.

    All in turns, so that a dialect's text comes to each port in one wrap or the other.
    """
    quits = {"pop3": (b"QUIT\r\n",), "imap": (b"a LOGOUT\r\n",)}
    begins = {"pop3": b"STLS\r\n", "imap": b"s STARTTLS\r\n"}
    offers = []
    for (service, tls), port in server.ports_on(host.release).items():
        if tls:
            offers.append((port, quits[service], b""))
        elif service in server.starttls_on(host.release):
            offers.append((port, quits[service], begins[service]))
    for turn, text in enumerate(forgeries()):
        name = sni(text)
        yield Talk(25, (b"EHLO x\r\n", b"QUIT\r\n"), name, b"STARTTLS\r\n")
        if offers:
            port, parts, upgrade = offers[turn % len(offers)]
            yield Talk(port, parts, name, upgrade)


def attack(host: Host, name: str) -> int:
    """Every text by every way in; how many connections that was."""
    server = servers.POP_SERVERS[name]
    ports = {s: p for (s, tls), p in server.ports.items() if not tls}
    ways = [(25, smtp)]
    ways += [
        (ports[service], way)
        for service, way in (("pop3", pop3), ("imap", imap))
        if service in ports
    ]
    talks = list(over_tls(host, server))
    lines = sum(len(told(name)) for name in DIALECTS)
    for turn, text in enumerate(forgeries()):
        for port, way in ways:
            choices = list(way(text))
            talks.append(Talk(port, choices[(turn + turn // lines) % len(choices)]))
    with ThreadPoolExecutor(_WORKERS) as pool:
        list(pool.map(partial(say, host), cycle(ATTACKERS), talks))
    return len(talks)


def test_nothing_comes_of_success_lines_that_a_stranger_sends(
    pop_host: Host, pop_name: str, tmp_path: Path
) -> None:
    host, server, logs = pop_host, servers.POP_SERVERS[pop_name], pop_host.shared / "log"
    for file in FILES:
        (logs / file).open("r+").truncate(0)
    every = f"dialects = {json.dumps(list(DIALECTS))}\n"
    config = CONFIG.format(
        window="60m", log=logs / "mail-rfc3339.log", listen="inet:127.0.0.1:10031"
    ).replace("[[answer]]", every + "[[answer]]")
    with Poplock(tmp_path, config, partial(host.popen, inside=False)) as poplock:
        restrictions = relay_restrictions(poplock.config.read_text())
        servers.reload_postfix(host, {"smtpd_relay_restrictions": restrictions, **POSTFIX_TLS})
        attack(host, pop_name)
        # The proof that the log was read to its end, and is read at all: a true login behind it.
        (service, _), port = next(iter(server.ports.items()))
        clients.log_in(host, ADDRESS, service=service, user="alice", port=port)
        poplock.until(lambda: clients.rcpt(host, ADDRESS)[0] == 250, "the true login's grant")
        assert [g["network"] for g in poplock.rows("list")] == [f"{ADDRESS}/32"]
        assert clients.rcpt(host, ATTACKERS[0])[0] == 554
        history = poplock.rows("history")
        assert {d["network"] for d in history if d["event"] == "granted"} == {f"{ADDRESS}/32"}
    for file in FILES:
        data = (logs / file).read_bytes()
        assert data.count(FORGED) > 50, "the attack is in the log"
        rows = CliRunner().invoke(
            command, [str(logs / file), "--json", *(f"--dialect={name}" for name in DIALECTS)]
        )
        logins = [r for r in map(json.loads, rows.stdout.splitlines()) if r["event"] == "login"]
        own = {ADDRESS, "127.0.0.1"}  # the latter is Perdition's, as its Dovecot sees it
        assert {row["ip"] for row in logins} <= own, logins
