r"""Teapop 0.3.

    teapop[9]: Successful login for ann@example.org [192.0.2.1] from ptr.example.net [192.0.2.7]
    teapop[9]: Failed login for ann@example.org [192.0.2.1] from unknown [192.0.2.7]
    teapop[9]: ann@example.org [192.0.2.7] R1(812) D1(812) L0(0)

Formats: pop_authenticate() in pop_auth.c, and pop_dele.c for the last, after QUIT. The first
address is the server's own. The facility is local0, so a log of mail alone holds none of it. The
tag is teapop_ssl with -S. Sessions that break off have no last line, so the dialect knows none.

Security: the host name is the PTR of a stranger; the address behind it, in brackets at the line's
end, is what counts. Neither name nor host may hold a blank or a bracket.
"""

from ..core.events import Event, Failure, Login, Logout
from .model import ADDRESS, Body, Dialect, Head, Rule, address

_TAGS = (b"teapop", b"teapop_ssl")
_USER = rb"([^\[\]\x00-\x20\x7f]{1,255})"
_FROM = rb" \[[0-9A-Fa-f.:]{0,45}\] from [^\[\]\x00-\x20\x7f]{1,255} \[(" + ADDRESS + rb")\]"


def _tls(head: Head) -> bool | None:
    return True if head.tag == b"teapop_ssl" else None


def _login(head: Head, body: Body) -> Event:
    user, ip = body.groups()
    return Login(head.time, address(ip), user.decode(), "pop3", _tls(head))


def _logout(head: Head, body: Body) -> Event:
    return Logout(head.time, address(body[1]), head.words.decode(), "pop3", _tls(head))


def _failure(head: Head, body: Body) -> Event:
    user, ip = body.groups()
    return Failure(head.time, address(ip), user.decode() if user else None, "pop3", _tls(head))


DIALECT = Dialect(
    "teapop",
    (
        Rule("login", _TAGS, rb"Successful login for ", _USER + _FROM, _login),
        Rule(
            "logout",
            _TAGS,
            rb"[^\[\]\x00-\x20\x7f]{1,255}(?= \[[0-9A-Fa-f.:]{2,45}\] R\d)",
            rb" \[(" + ADDRESS + rb")\] R\d{1,20}\(\d{1,20}\) D\d{1,20}\(\d{1,20}\)"
            rb" L\d{1,20}\(\d{1,20}\)",
            _logout,
            sure=False,
        ),
        Rule(
            "failure",
            _TAGS,
            rb"Failed login for ",
            rb"([^\n]{0,512})" + _FROM,
            _failure,
            sure=False,
        ),
    ),
)
