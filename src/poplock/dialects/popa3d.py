r"""popa3d 1.0 as a daemon of its own (`popa3d -D`, as Debian runs it).

    popa3d[9]: Session from 192.0.2.7
    popa3d[9]: Authentication passed for ann
    popa3d[9]: 0 (0) deleted, 3 (4711) left        popa3d[9]: Premature disconnect
    popa3d[9]: Authentication failed for ann       popa3d[9]: Didn't attempt authentication

The address is in the first line, the name in the second; each process serves one connection, and
logs its end. Under inetd or xinetd popa3d writes no first line: then there is no login. Its
facility is `daemon`, its service POP3 over IPv4, without TLS.

Security: nothing of the client's stands in the first line, and in the second the name of an
account that has just been proved. Unknown names are logged as `UNKNOWN USER`. Whatever ends an
attempt takes the first line away, so that it serves no later process of the same id.
"""

from ..core.events import Event, Failure, Login, Logout
from .model import ADDRESS, Body, Dialect, Head, Rule, address, process

_TAGS = (b"popa3d",)
_USER = rb"([^\x00-\x20\x7f]{1,255})"


def _key(head: Head) -> tuple[bytes, ...]:
    return b"popa3d", head.host, head.pid


def _session(head: Head, body: Body) -> None:
    if head.pid:
        head.pending.put(_key(head), head.time, body[1])


def _login(head: Head, body: Body) -> Event | None:
    half = head.pending.take(_key(head), head.time)
    if half is None:
        return None
    return Login(head.time, address(half[0]), body[1].decode(), "pop3", False, process(head))


def _failure(head: Head, body: Body) -> Event:
    half = head.pending.take(_key(head), head.time)
    user = None if body[1] == b"UNKNOWN USER" else body[1].decode()
    return Failure(head.time, None if half is None else address(half[0]), user, "pop3", False)


def _gone(head: Head, body: Body) -> None:
    head.pending.take(_key(head), head.time)


def _logout(head: Head, body: Body) -> Event:
    return Logout(head.time, None, None, "pop3", False, process(head))


DIALECT = Dialect(
    "popa3d",
    (
        Rule("half", _TAGS, rb"Session from ", rb"(" + ADDRESS + rb")", _session),
        Rule("login", _TAGS, rb"Authentication passed for ", _USER, _login),
        Rule(
            "failure",
            _TAGS,
            rb"Authentication failed for ",
            rb"(UNKNOWN USER|[^\x00-\x20\x7f]{1,255})",
            _failure,
        ),
        Rule("half", _TAGS, rb"Didn't attempt authentication", rb"", _gone),
        Rule(
            "logout",
            _TAGS,
            rb"(?:\d{1,10} \(\d{1,20}\) deleted, |Premature disconnect|Connection timed out"
            rb"|Another MUA active, giving up|Failed (?:or refused to load|to update) "
            rb"|Server failure accessing )",
            rb"[^\n]*",
            _logout,
        ),
    ),
)
