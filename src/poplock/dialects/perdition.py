r"""Perdition 2.2, a proxy for POP3 and IMAP: it logs in to the real server with what it is given.

    perdition.imap4[9]: Auth: 192.0.2.7:40112->192.0.2.1:143 client-secure=plaintext \
        authorisation_id=NONE authentication_id="ann" server="10.0.0.5:143" protocol=IMAP4 \
        server-secure=plaintext status="ok"
    perdition.imap4[9]: Closing session: 192.0.2.7:40112->192.0.2.1:143 authorisation_id=NONE \
        authentication_id="ann" received=0 sent=0
    a refused login is the first line with status="failed: ..."

Each process serves one connection and logs its end. Only IPv4 is read.

Security: the address stands before all that is the client's. The name is client text in quotes: one
that holds a quote or a blank is not read. Status is "ok" only where the real server said so. That
server sees Perdition's address in place of the client's.
"""

from ..core.events import Event, Failure, Login, Logout
from .model import Body, Dialect, Head, Rule, address, process

_TAGS = tuple(
    b"perdition." + service for service in (b"pop3", b"pop3s", b"imap4", b"imap4s", b"imaps")
)
_IPV4 = rb"\d{1,3}(?:\.\d{1,3}){3}"
_FROM = rb"(" + _IPV4 + rb"):\d{1,5}->" + _IPV4 + rb":\d{1,5} "
_SECURE = rb"client-secure=([A-Za-z0-9./-]{1,32}) authorisation_id=NONE authentication_id="
_BACKEND = (
    rb' server="[A-Za-z0-9.:_-]{0,255}" protocol=(?:POP3|IMAP4)S? '
    rb"server-secure=[A-Za-z0-9./-]{1,32} "
)
_USER = rb'"([^"\x00-\x20\x7f]{1,255})"'


def _service(head: Head) -> str:
    return "pop3" if b"pop3" in head.tag else "imap"


def _login(head: Head, body: Body) -> Event:
    ip, secure, user = body.groups()
    tls = secure != b"plaintext"
    return Login(head.time, address(ip), user.decode(), _service(head), tls, process(head))


def _logout(head: Head, body: Body) -> Event:
    ip, user = body.groups()
    who = user.decode()
    return Logout(head.time, address(ip), who, _service(head), session=process(head))


def _failure(head: Head, body: Body) -> Event:
    ip, secure, user = body.groups()
    return Failure(head.time, address(ip), user.decode(), _service(head), secure != b"plaintext")


DIALECT = Dialect(
    "perdition",
    (
        Rule(
            "login",
            _TAGS,
            rb"Auth: ",
            _FROM + _SECURE + _USER + _BACKEND + rb'status="ok"',
            _login,
            sure=False,
        ),
        Rule(
            "logout",
            _TAGS,
            rb"Closing session: ",
            _FROM + rb"authorisation_id=NONE authentication_id=" + _USER + rb" received=\d{1,20} "
            rb"sent=\d{1,20}",
            _logout,
        ),
        Rule(
            "failure",
            _TAGS,
            rb"Auth: ",
            _FROM + _SECURE + rb'"([^\n]{0,255})"' + _BACKEND + rb'status="failed: [^"\n]{0,255}"',
            _failure,
            sure=False,
        ),
    ),
)
