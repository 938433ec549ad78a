"""nginx as a mail proxy (ngx_mail_proxy_module), also Zimbra's, through syslog.

    nginx: 2026/11/24 10:00:00 [info] 7#7: *1 client logged in, client: 192.0.2.7,
        server: 0.0.0.0:993, login: "ann@example.org", upstream: 10.0.0.2:143      (one line)
    nginx: ... [info] 7#7: *1 proxied session done, client: 192.0.2.7, server: ..., login: "ann"...
    nginx: ... [info] 7#7: *9 client login failed: "..." while in http auth state, client: ...

Told at level `info`, after the server behind has accepted the password. Over STLS or STARTTLS it is
`client: 192.0.2.7 using starttls`. Zimbra's nginx writes `client: 192.0.2.7:40112` and, behind the
upstream, the addresses of both connections. A session is known by nginx's process and the number of
the connection. The port that was listened on tells the service, and TLS on 993 and 995; without
either, TLS is unknown.

Security: the client's address stands before all that a client wrote, and its name is the last thing
of its own, between quotes that nginx doesn't escape. Nor does it escape newlines, which a SASL name
may have: in an error log that nginx writes to a file by itself, a stranger without a password can
write whole lines (seen with nginx 1.22). Through syslog a message is one line whatever is in it;
so only lines with a syslog prefix are read, never nginx's own file.
"""

import re

from ..core.addresses import IPAddress
from ..core.events import Event, Failure, Login, Logout
from .model import Body, Dialect, Head, Rule, address

_TAGS = (b"nginx",)
# nginx writes its own stamp behind the syslog prefix once more.
_WORDS = rb"(?:\d{4}/\d\d/\d\d \d\d:\d\d:\d\d )?\[info\] \d{1,10}#\d{1,10}: \*\d{1,20} "
_SESSION = re.compile(rb"(\d+)#\d+: (\*\d+) $")
_SERVER = rb", server: [0-9A-Fa-f.:*\[\]]{1,60}:(\d{1,5})"
_FROM = rb", client: ([0-9A-Fa-f.:]{2,52})( using starttls)?" + _SERVER
_LOGIN = rb', login: "([^"\x00-\x1f\x7f]{1,255})"'
_UPSTREAM = rb", upstream: [^ \"\n]{1,200}"
_ZIMBRA = rb"( \([^\"\n]{1,400})?"
_TLS = (b"993", b"995")
_SERVICES = {b"110": "pop3", b"995": "pop3", b"143": "imap", b"993": "imap"}


def _client(text: bytes, zimbra: bytes | None) -> IPAddress:
    """Zimbra's nginx puts the port behind the address, behind one of IPv6 as well."""
    return address(text.rpartition(b":")[0] if zimbra else text)


def _service(port: bytes, starttls: bytes | None = None) -> tuple[str, bool | None]:
    """By the port that nginx listened on; another than the usual is not told apart."""
    tls = True if starttls or port in _TLS else None
    return _SERVICES.get(port, "port " + port.decode("ascii")), tls


def _session(head: Head) -> str:
    process, connection = _SESSION.search(head.words).groups()  # type: ignore[union-attr]
    return f"{process.decode()} {connection.decode()}"


def _login(head: Head, body: Body) -> Event:
    client, starttls, port, user, zimbra = body.groups()
    service, tls = _service(port, starttls)
    ip = _client(client, zimbra)
    return Login(head.time, ip, user.decode(), service, tls, _session(head))


def _logout(head: Head, body: Body) -> Event:
    client, starttls, port, user, zimbra = body.groups()
    service, tls = _service(port, starttls)
    ip = _client(client, zimbra)
    return Logout(head.time, ip, user.decode(), service, tls, _session(head))


def _failure(head: Head, body: Body) -> Event:
    (port,) = body.groups()
    service, tls = _service(port)
    return Failure(head.time, None, None, service, tls, _session(head))


DIALECT = Dialect(
    "nginx",
    (
        Rule(
            "login",
            _TAGS,
            _WORDS,
            rb"client logged in" + _FROM + _LOGIN + _UPSTREAM + _ZIMBRA,
            _login,
            sure=False,  # each of nginx's messages begins so
        ),
        Rule(
            "logout",
            _TAGS,
            _WORDS,
            rb"proxied session done" + _FROM + _LOGIN + _UPSTREAM + _ZIMBRA,
            _logout,
            sure=False,
        ),
        Rule(
            "failure",
            _TAGS,
            _WORDS,
            # No address: without an upstream nothing tells Zimbra's form from the other.
            rb'client login failed: "[^"\n]{0,200}" while in http auth state, client: '
            rb"[0-9A-Fa-f.:]{2,52}(?: using starttls)?" + _SERVER + rb"[^\n]*",
            _failure,
            sure=False,
        ),
    ),
)
