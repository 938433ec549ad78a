r"""tpop3d 1.5 and before.

    tpop3d[9]: fork_child: [12]192.0.2.7/example.org: began session for `ann' with mysql; child PID
               is 10
    tpop3d[10]: connections_post_select: client [12]192.0.2.7/example.org: finished session for
               `ann' with mysql
    tpop3d[9]: connection_do: client `[12]192.0.2.7/example.org': username `ann': 1 authentication
               failures

Formats: fork_child() and connections_post_select() in netloop.c, connection_do() in pop3.c; the
client's id is made by connection_new() in connection.c, and the domain in it is the server's, not
the client's. A child process has the session, so its id is the session's. TLS isn't told there.

The lines of authcontext_new_user_pass() and authcontext_new_apop() tell the name alone.

Security: the address stands before the name. Names with quotes or blanks are not read.
"""

from ..core.events import Event, Failure, Login, Logout
from .model import ADDRESS, Body, Dialect, Head, Rule, address, process

_TAGS = (b"tpop3d",)
_CLIENT = rb"(" + ADDRESS + rb")(?:/[A-Za-z0-9._:-]{1,255})?"
_USER = rb"`([^`'\x00-\x20\x7f]{1,255})' with [A-Za-z0-9_-]{1,32}"


def _login(head: Head, body: Body) -> Event:
    ip, user, child = body.groups()
    session = process(head._replace(pid=child))
    return Login(head.time, address(ip), user.decode(), "pop3", session=session)


def _logout(head: Head, body: Body) -> Event:
    ip, user = body.groups()
    return Logout(head.time, address(ip), user.decode(), "pop3", session=process(head))


def _failure(head: Head, body: Body) -> Event:
    ip, user = body.groups()
    return Failure(head.time, address(ip), user.decode() if user else None, "pop3")


DIALECT = Dialect(
    "tpop3d",
    (
        Rule(
            "login",
            _TAGS,
            rb"fork_child: \[\d{1,6}\]",
            _CLIENT + rb": began session for " + _USER + rb"; child PID is (\d{1,10})",
            _login,
        ),
        Rule(
            "logout",
            _TAGS,
            rb"connections_post_select: client \[\d{1,6}\]",
            _CLIENT + rb": finished session for " + _USER,
            _logout,
            sure=False,
        ),
        Rule(
            "failure",
            _TAGS,
            rb"connection_do: client `\[\d{1,6}\]",
            _CLIENT + rb"': username `([^\n]{0,255})': "
            rb"(?:\d{1,6} authentication failures|failed to log in after \d{1,6} attempts)",
            _failure,
            sure=False,
        ),
    ),
)
