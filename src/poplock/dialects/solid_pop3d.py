r"""solid-pop3d 0.15, as a daemon or under xinetd.

    solid-pop3d[9]: user ann authenticated - 192.0.2.7
    solid-pop3d[9]: mapped user ann authenticated - ptr.example.net (192.0.2.7)
    solid-pop3d[9]: user ann authenticated through APOP - 2001:db8::7
    solid-pop3d[9]: session ended for user ann - 192.0.2.7
    solid-pop3d[9]: authentication failed for user ann - 192.0.2.7

Under xinetd the client's host name may stand before its address. A connection that breaks off
leaves no line, so the ends that are logged hold no grant open: the dialect knows no sessions. The
facility is `daemon`; there is no TLS.

Security: the name in a login is that of an account which has just been proved. The host name
belongs to the stranger, but holds neither blank nor bracket. root passes the password check and is
then turned away, so its line is no login; names of 40 characters may have been cut, and are
nobody's.
"""

from ..core.events import Event, Failure, Login, Logout
from .model import ADDRESS, Body, Dialect, Head, Rule, address

_TAGS = (b"solid-pop3d",)
_CUT = 40  # characters of a name that are shown
_USER = rb"([^\x00-\x20\x7f]{1,40})"
_FROM = rb" - (?:[A-Za-z0-9._:-]{1,256} \((" + ADDRESS + rb")\)|(" + ADDRESS + rb"))"


def _login(head: Head, body: Body) -> Event | None:
    user, named, bare = body.groups()
    if user == b"root":
        return None
    name = user.decode() if len(user) < _CUT else None
    return Login(head.time, address(named or bare), name, "pop3", False)


def _logout(head: Head, body: Body) -> Event:
    user, named, bare = body.groups()
    return Logout(head.time, address(named or bare), user.decode(), "pop3", False)


def _failure(head: Head, body: Body) -> Event:
    user, named, bare = body.groups()
    return Failure(head.time, address(named or bare), user.decode(), "pop3", False)


DIALECT = Dialect(
    "solid_pop3d",
    (
        Rule(
            "login",
            _TAGS,
            rb"(?:mapped )?user ",
            _USER + rb" authenticated(?: through APOP)?" + _FROM,
            _login,
        ),
        Rule(
            "logout",
            _TAGS,
            rb"(?:session ended|autologout time elapsed) for (?:mapped )?user ",
            _USER + _FROM,
            _logout,
        ),
        Rule(
            "failure",
            _TAGS,
            rb"(?:APOP )?authentication failed(?:: (?:no such user|can't map user name): "
            rb"| for (?:mapped )?user )",
            rb"([^\n]{0,40})" + _FROM,
            _failure,
            sure=False,
        ),
    ),
)
