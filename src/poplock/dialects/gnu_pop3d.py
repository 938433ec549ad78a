r"""GNU pop3d: gnu-pop3d 0.9, and GNU Mailutils' pop3d while it called itself gnu-pop3d.

    gnu-pop3d[9]: User ann logged in with mailbox /var/mail/ann from 192.0.2.7
or in two lines of a process:
    gnu-pop3d[9]: connect from 192.0.2.7
    gnu-pop3d[9]: User 'ann' logged in with mailbox '/var/mail/ann' (3 msgs)

Formats: the two lines from pop3d_log_connection() and pop3_user() of Mailutils 0.x to 2.x (pop3d.c,
user.c, apop.c), with and without the number of messages and with either quote; the one line from
the configuration of pop-before-smtp. The first versions of Mailutils' pop3d log no address at all
(`Incoming connection opened`): then there is no login. Mailutils 3 is another dialect.

Security: each process serves one connection, so its first line tells whose login follows. A name
with a blank or a quote is not read. What an unknown name makes of the line ends in `: nonexistent`.
"""

from ..core.events import Event, Failure, Login
from .model import ADDRESS, Body, Dialect, Head, Rule, address

_TAGS = (b"gnu-pop3d",)
_WORD = rb"[^'`\x00-\x20\x7f]{1,255}"


def _key(head: Head) -> tuple[bytes, ...]:
    return b"gnu_pop3d", head.host, head.pid


def _connect(head: Head, body: Body) -> None:
    head.pending.put(_key(head), head.time, body[1])


def _login(head: Head, body: Body) -> Event | None:
    user, ip = body.groups()
    half = head.pending.take(_key(head), head.time) if head.pid else None
    if ip is None:
        if half is None:
            return None
        ip = half[0]
    return Login(head.time, address(ip), user.decode(), "pop3")


def _failure(head: Head, body: Body) -> Event:
    half = head.pending.peek(_key(head), head.time) if head.pid else None
    ip = None if half is None else address(half[0])
    return Failure(head.time, ip, body[1].decode() or None, "pop3")


DIALECT = Dialect(
    "gnu_pop3d",
    (
        Rule("half", _TAGS, rb"connect from ", rb"(" + ADDRESS + rb")", _connect),
        Rule(
            "login",
            _TAGS,
            rb"User ",
            rb"['`]?(" + _WORD + rb")'? logged in with mailbox ['`]?" + _WORD + rb"'?"
            rb"(?: from (" + ADDRESS + rb")| \(\d{1,10} msgs\))?",
            _login,
            sure=False,  # failures begin so too
        ),
        Rule(
            "failure",
            _TAGS,
            rb"User ['`]",
            rb"([^\n]{0,255})': (?:authentication failed|nonexistent)",
            _failure,
            sure=False,
        ),
    ),
)
