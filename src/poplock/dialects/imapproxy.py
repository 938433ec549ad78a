r"""imapproxy (up-imapproxy) 1.2, a proxy that keeps connections to the IMAP server between logins.

    in.imapproxyd[9]: LOGIN: 'ann' (192.0.2.7:40112) on new sd [11]
    in.imapproxyd[9]: LOGIN: 'ann' (192.0.2.7:40113) on existing sd [11]
    in.imapproxyd[9]: LOGOUT: 'ann' from server sd [11]
    in.imapproxyd[9]: Invalidating server sd [11]
    in.imapproxyd[9]: LOGIN: 'ann' (192.0.2.7:40114) failed: non-OK server response to LOGIN ...

One process serves all. A connection to the server (`sd`) serves one client at a time, and its
number comes round again: it is the session's id. LOGOUT is the end of a client's session, also of
one that broke off; where the server ended it, its connection is invalidated. There is no TLS to
clients.

Security: the address stands behind the name, which is the client's choice and is logged as it
comes, of up to 63 bytes and thus never cut. One that holds a quote or a blank is not read; one that
imitates the rest of a success has the true rest behind it, so that the line doesn't end there. The
IMAP server behind it sees the proxy's address in place of the client's.
"""

from ..core.events import Event, Failure, Login, Logout
from .model import ADDRESS, Body, Dialect, Head, Rule, address, process

_TAGS = (b"in.imapproxyd", b"imapproxyd")
_USER = rb"'([^'\x00-\x20\x7f]{1,255})'"
_FROM = rb" \((" + ADDRESS + rb"):\d{1,5}\) "


def _session(head: Head, sd: bytes) -> str | None:
    proxy = process(head)
    return None if proxy is None else f"{proxy} {int(sd)}"


def _login(head: Head, body: Body) -> Event:
    user, ip, sd = body.groups()
    return Login(head.time, address(ip), user.decode(), "imap", False, _session(head, sd))


def _logout(head: Head, body: Body) -> Event:
    user, sd = body.groups()
    return Logout(head.time, None, user.decode(), "imap", session=_session(head, sd))


def _invalidated(head: Head, body: Body) -> Event:
    return Logout(head.time, None, None, "imap", session=_session(head, body[1]))


def _failure(head: Head, body: Body) -> Event:
    user, ip = body.groups()
    return Failure(head.time, address(ip), user.decode(), "imap", False)


DIALECT = Dialect(
    "imapproxy",
    (
        Rule(
            "login",
            _TAGS,
            rb"LOGIN: ",
            _USER + _FROM + rb"on (?:new|existing) sd \[(\d{1,10})\]",
            _login,
            sure=False,
        ),
        Rule("logout", _TAGS, rb"LOGOUT: ", _USER + rb" from server sd \[(\d{1,10})\]", _logout),
        Rule("logout", _TAGS, rb"Invalidating server sd ", rb"\[(\d{1,10})\]", _invalidated),
        Rule(
            "failure",
            _TAGS,
            rb"LOGIN: ",
            rb"'([^\n]{0,255})'" + _FROM + rb"failed: [^\n]{0,1000}",
            _failure,
            sure=False,
        ),
    ),
)
