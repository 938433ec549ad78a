r"""vm-pop3d (virtualmail-pop3d), old and new.

New, as DirectAdmin's servers have it:
    vm-pop3d[9]: User 'ann@example.org' logged in from 192.0.2.7, nmsgs=3
    vm-pop3d[9]: Session ended for user: 'ann@example.org' from 192.0.2.7, nmsgs=3, ndel=0
Old (1.1.6 and before), in two lines of a process:
    vm-pop3d[9]: Connect from 192.0.2.7
    vm-pop3d[9]: User 'ann' of 'example.org' logged in        without `of` for users of the system
    vm-pop3d[9]: User ann logged in with mailbox ann          by APOP
    vm-pop3d[9]: Session ended for user: ann

Formats: pop3_mainloop() in vm-pop3d.c, pop3_user() in user.c, pop3_apop() in apop.c, quit.c and
pop3_abquit() in extra.c of 1.1.6; the new one from a log that an administrator published, its
source was not to be had. A refused password is not logged. An end tells no session, since not all
ends are told. On an IPv6 socket old versions log 0.0.0.0, which earns nothing.

Security: each process serves one connection, so its first line tells whose login follows. A name
with a blank or a quote is not read. `%s` of a client stands nowhere at a line's beginning.
"""

from ..core.events import Event, Login, Logout
from .model import ADDRESS, Body, Dialect, Head, Rule, address

_TAGS = (b"vm-pop3d",)
_WORD = rb"[^'\x00-\x20\x7f]{1,255}"


def _key(head: Head) -> tuple[bytes, ...]:
    return b"vm_pop3d", head.host, head.pid


def _connect(head: Head, body: Body) -> None:
    head.pending.put(_key(head), head.time, body[1])


def _login(head: Head, body: Body) -> Event | None:
    user, domain, apop, ip = body.groups()
    half = head.pending.take(_key(head), head.time) if head.pid else None
    if ip is None:
        if half is None:
            return None
        ip = half[0]
    name = (user or apop).decode() + (f"@{domain.decode()}" if domain else "")
    return Login(head.time, address(ip), name, "pop3")


def _logout(head: Head, body: Body) -> Event:
    user, ip = body.groups()
    return Logout(head.time, address(ip) if ip else None, user.decode(), "pop3")


DIALECT = Dialect(
    "vm_pop3d",
    (
        Rule("half", _TAGS, rb"Connect from ", rb"(" + ADDRESS + rb")", _connect),
        Rule(
            "login",
            _TAGS,
            rb"User ",
            rb"(?:'(" + _WORD + rb")'(?: of '(" + _WORD + rb")')?|(" + _WORD + rb")) logged in"
            rb"(?: from (" + ADDRESS + rb")(?:, nmsgs=\d{1,10})?"
            rb"| with (?:shared )?mailbox " + _WORD + rb")?",
            _login,
        ),
        Rule(
            "logout",
            _TAGS,
            rb"Session (?:ended|timed out) for user: ",
            rb"'?(" + _WORD + rb")'?(?: from (" + ADDRESS + rb"),? ?[a-z0-9=, ]{0,80})?",
            _logout,
            sure=False,
        ),
    ),
)
