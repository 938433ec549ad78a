"""Stalwart's log file (the `log` and `stdout` tracers), as one line an event and without colours.

    2026-11-24T10:00:00Z INFO Authentication successful (auth.success) listenerId = "imaps",
        localPort = 993, remoteIp = 192.0.2.7, remotePort = 40112, accountName = "ann@example.org",
        accountId = 7                                                               (one line)

Stamp, level, the event's description and id, then the keys of the connection's span before those
of the event (crates/trc/src/serializers/text.rs, write_keys; crates/common/src/network/mod.rs sets
the span, crates/common/src/auth/authentication.rs the event). UTC. Strings stand in quotes; CR, LF,
tab and backslash in them are escaped, the quote is not. A master user who logs in as somebody else
is named in `details`: such a login is nobody's.

The beginnings and ends of connections are told at level `debug` only. Where the beginning was seen,
the session is told with the login, known by the client's address and port; without it nothing
would ever end it. Failures are told at `debug` as well. The service is that of the listener's
port, else the beginning of the listener's name.

Security: the address stands before all that a client wrote, and newlines are escaped. The event
means that the password was right; an account without the right to use IMAP or POP3 is refused after
it, so such an account earns a grant without having got in.
"""

from ..core.events import Event, Failure, Login, Logout
from .line import OWN
from .model import ADDRESS, Body, Dialect, Head, Rule, address

_SPAN = (
    rb'listenerId = "([^"\\\x00-\x1f\x7f]{1,64})", localPort = (\d{1,5}), remoteIp = ('
    + ADDRESS
    + rb"), remotePort = (\d{1,5})"
)
_CONNECTION = rb"(?:INFO|DEBUG) (?:IMAP|POP3) connection "
_PORTS = {
    b"110": "pop3",
    b"995": "pop3",
    b"143": "imap",
    b"993": "imap",
    b"25": "smtp",
    b"465": "smtp",
    b"587": "smtp",
    b"4190": "sieve",
}
_TLS = (b"993", b"995", b"465")


def _service(listener: bytes, port: bytes) -> tuple[str, bool | None]:
    known = _PORTS.get(port)
    if known is None:
        name = listener.decode().lower()
        known = next((s for s in ("imap", "pop3") if name.startswith(s)), name)
    return known, True if port in _TLS else None


def _session(ip: bytes, port: bytes) -> str:
    return f"{address(ip)} {int(port)}"


def _begun(head: Head, body: Body) -> None:
    _, _, ip, port = body.groups()
    head.pending.put((b"stalwart", ip, port), head.time)


def _login(head: Head, body: Body) -> Event | None:
    listener, local, ip, port, account, master = body.groups()
    if master is not None:
        return None
    service, tls = _service(listener, local)
    told = head.pending.take((b"stalwart", ip, port), head.time) is not None
    session = _session(ip, port) if told else None
    return Login(head.time, address(ip), account.decode(), service, tls, session)


def _logout(head: Head, body: Body) -> Event:
    listener, local, ip, port = body.groups()
    service, tls = _service(listener, local)
    return Logout(head.time, address(ip), None, service, tls, _session(ip, port))


def _failure(head: Head, body: Body) -> Event:
    listener, local, ip, _ = body.groups()
    service, tls = _service(listener, local)
    return Failure(head.time, address(ip), None, service, tls)


DIALECT = Dialect(
    "stalwart",
    (
        Rule(
            "half",
            (),
            _CONNECTION + rb"started \((?:imap|pop3)\.connection-start\) ",
            _SPAN,
            _begun,
            sure=False,
            forms=(OWN,),
        ),
        Rule(
            "login",
            (),
            rb"(?:INFO|DEBUG) Authentication successful \(auth\.success\) ",
            _SPAN + rb', accountName = "([^"\\,\x00-\x20\x7f]{1,255})"(?:, accountId = \d{1,10})?'
            rb'(, details = "[^\n]{0,400}")?',
            _login,
            sure=False,  # logins over HTTP are told so too, without a span
            forms=(OWN,),
        ),
        Rule(
            "logout",
            (),
            _CONNECTION + rb"ended \((?:imap|pop3)\.connection-end\) ",
            _SPAN + rb", elapsed = \d{1,12}ms",
            _logout,
            forms=(OWN,),
        ),
        Rule(
            "failure",
            (),
            rb"(?:INFO|WARN|DEBUG) Authentication failed \(auth\.failed\) ",
            _SPAN + rb"[^\n]*",
            _failure,
            sure=False,
            forms=(OWN,),
        ),
    ),
)
