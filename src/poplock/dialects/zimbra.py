"""Zimbra's audit.log: mailboxd's imapd and pop3d, alone or behind Zimbra's nginx.

    2026-11-24 10:00:00,123 INFO  [ImapSSLServer-4] [ip=10.0.0.1;oip=192.0.2.7;ua=K9/6;cid=12;]
        security - cmd=Auth; account=ann@example.org; protocol=imap;               (one line)
    2026-11-24 10:00:00,123 WARN  [Pop3Server-2] [ip=192.0.2.7;cid=13;]
        security - cmd=Auth; account=ann@example.org; protocol=pop3; error=authentication failed...

The line's beginning is log4j's pattern `%d %-5p [%t] [%z] %c{1} - %m%n` (zm-mailbox,
store-conf/conf/log4j.properties.production); context and message come from ZimbraLog.encodeArg,
which doubles a semicolon in a value and makes blanks of CR and LF (common/.../ZimbraLog.java); the
messages from LdapProvisioning.authAccount. Local time. The audit log tells neither the end of a
session nor an account that doesn't exist.

`ip` is mailboxd's peer. Where that is Zimbra's proxy, `oip` is the client: nginx says it by POP3's
XOIP or in the IMAP ID. But any client that reaches mailboxd itself can say the same, once a session
(Pop3Handler.doXOIP, ImapHandler.setIDFields). So `oip` is believed only of a peer in a private
network or on the host itself; with any other peer a line that has one is no login. Then TLS is
unknown as well: what mailboxd saw is the proxy's connection.

Security: only audit.log, whose messages are all encoded. mailbox.log writes what a client gave as
its name as it is, newlines of a SASL name included (PlainAuthenticator: `authentication failed for
NAME (no such account)`), so a stranger without a password can write any line there, also one that
looks as if it came from here.
"""

import re
from ipaddress import ip_network

from ..core.addresses import IPAddress, NetworkSet
from ..core.events import Event, Failure, Login
from .line import OWN
from .model import Body, Dialect, Head, Rule, address

_THREAD = rb" \[(?:Imap|Pop3)(?:SSL)?Server-\d{1,9}\] \["
# Each semicolon that isn't doubled ends a value, wherever one stands: none may follow it.
_VALUE = rb"(?=[^;\n]|;;)[^;\n]*+(?:;;[^;\n]*+){0,4096}"
_CONTEXT = rb"((?:[a-z]{1,16}+=" + _VALUE + rb";){1,16})\] security - "
_PAIR = re.compile(rb"([a-z]{1,16})=(" + _VALUE + rb");")
_PROTOCOL = rb"; protocol=([a-z][a-z0-9_]{0,31});"
_PROXIES = NetworkSet(
    tuple(
        ip_network(text)
        for text in (
            "127.0.0.0/8",
            "::1/128",
            "10.0.0.0/8",  # RFC 1918
            "172.16.0.0/12",
            "192.168.0.0/16",
            "fc00::/7",  # RFC 4193
        )
    )
)


def _client(context: bytes) -> tuple[IPAddress, bool] | None:
    """The client's address, and whether a proxy told it; None where it can't be known."""
    pairs = _PAIR.findall(context)
    values = dict(pairs)
    if len(values) != len(pairs):
        return None
    peer = address(values.get(b"ip", b""))
    if b"oip" not in values:
        return peer, False
    if _PROXIES.find(peer) is None:
        return None
    return address(values[b"oip"]), True


def _login(head: Head, body: Body) -> Event | None:
    context, account, protocol = body.groups()
    client = _client(context)
    if client is None:
        return None
    ip, proxied = client
    tls = True if b"SSL" in head.words and not proxied else None
    return Login(head.time, ip, account.decode(), protocol.decode("ascii"), tls)


def _failure(head: Head, body: Body) -> Event | None:
    context, account, protocol = body.groups()
    client = _client(context)
    if client is None:
        return None
    return Failure(head.time, client[0], account.decode(), protocol.decode("ascii"))


DIALECT = Dialect(
    "zimbra",
    (
        Rule(
            "login",
            (),
            rb"INFO " + _THREAD,
            _CONTEXT + rb"cmd=Auth; account=([^;\x00-\x20\x7f]{1,255})" + _PROTOCOL,
            _login,
            sure=False,  # mailboxd's other threads and messages begin so too
            forms=(OWN,),
        ),
        Rule(
            "failure",
            (),
            rb"WARN " + _THREAD,
            _CONTEXT + rb"cmd=Auth; account=([^;\n]{1,255})" + _PROTOCOL + rb" error=[^\n]*",
            _failure,
            sure=False,
            forms=(OWN,),
        ),
    ),
)
