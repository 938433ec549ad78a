"""Courier's pop3d and imapd (courier-imap 5, courier-pop of the Courier suite 1.x).

    imapd: LOGIN, user=ann@example.org, ip=[::ffff:192.0.2.7], port=[40112], protocol=IMAP
    pop3d: LOGOUT, user=ann, ip=[::ffff:192.0.2.7], port=[40112], top=0, retr=0, ...
    imapd: DISCONNECTED, user=ann, ip=[...], ...      imapd: TIMEOUT, user=ann, ip=[...], ...
    pop3d: LOGIN FAILED, user=ann, ip=[::ffff:192.0.2.7]

With TLS, `, starttls=1` (imapd) or `, stls=1` (pop3d) follows, on the TLS ports too, whose tags end
in `-ssl`. Older versions don't say it (Debian 12's only when the session ends), so without the mark
TLS is unknown. Stderr loggers put `INFO: ` before the text. The session is known by the client's
address and port, which stay the same until its end.

Security: the name is the client's choice, within what authdaemond has found in its user data. A
comma, blank or bracket in it makes the line unreadable, not a login from elsewhere.
"""

from ..core.events import Event, Failure, Login, Logout
from .model import ADDRESS, Body, Dialect, Head, Rule, address

_TAGS = tuple(
    prefix + name + suffix
    for prefix in (b"", b"courier-")
    for name in (b"imapd", b"pop3d", b"imaplogin", b"courierpop3login")
    for suffix in (b"", b"-ssl")
)
_USER = rb"user=([^,\[\]\x00-\x20\x7f]{1,255}), "
_FROM = rb"ip=\[(" + ADDRESS + rb")\](?:, port=\[(\d{1,5})\])?"


def _service(tag: bytes) -> str:
    return "pop3" if b"pop3" in tag else "imap"


def _tls(tag: bytes, mark: bytes | None = None) -> bool | None:
    return True if mark or tag.endswith(b"-ssl") else None


def _session(ip: bytes, port: bytes | None) -> str | None:
    return None if port is None else f"{address(ip)} {int(port)}"


def _login(head: Head, body: Body) -> Event:
    user, ip, port, tls = body.groups()
    return Login(
        head.time,
        address(ip),
        user.decode(),
        _service(head.tag),
        _tls(head.tag, tls),
        _session(ip, port),
    )


def _logout(head: Head, body: Body) -> Event:
    user, ip, port = body.groups()
    return Logout(
        head.time,
        address(ip),
        user.decode(),
        _service(head.tag),
        _tls(head.tag),
        _session(ip, port),
    )


def _failure(head: Head, body: Body) -> Event:
    user, ip = body.groups()
    name = user.decode() if user else None
    return Failure(head.time, address(ip), name, _service(head.tag), _tls(head.tag))


DIALECT = Dialect(
    "courier",
    (
        Rule(
            "login",
            _TAGS,
            rb"(?:INFO: )?LOGIN, ",
            _USER + _FROM + rb"(?:, protocol=(?:IMAP|POP3))?(?:, (?:start|s)tls=(1))?",
            _login,
        ),
        Rule(
            "logout",
            _TAGS,
            rb"(?:INFO: )?(?:LOGOUT|DISCONNECTED|TIMEOUT), ",
            _USER + _FROM + rb"(?:, [^\n]*)?",
            _logout,
            sure=False,  # connections that never logged in end so too
        ),
        Rule(
            "failure",
            _TAGS,
            rb"(?:INFO: )?LOGIN FAILED, ",
            rb"(?:user=([^\n]{0,255}), |method=[^,\n]{0,64}, )?ip=\[(" + ADDRESS + rb")\][^\n]*",
            _failure,
            sure=False,
        ),
    ),
)
