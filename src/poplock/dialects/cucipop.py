r"""Cucipop (Cubic Circle's POP3 daemon) 1.31.

    cucipop[9]: ann 192.0.2.7 0, 0 (0), 3 (4711)

Written when a session ends: user, address, and what was deleted, read and left. Format: the
configuration of pop-before-smtp. Of cucipop's source only a part was to be had, without this line;
so what else it logs is not known, refused logins neither.

An end is evidence of a login too, and the only one that cucipop gives: read as a login at that
time, so that the right lasts a window from then. Its client can't send before it has said QUIT.

Security: the name stands first. It holds no blank here, and nothing may follow the numbers. The
other lines that are known begin with fixed words (`Invalid command `) before what a client sent.
"""

from ..core.events import Event, Login
from .model import ADDRESS, Body, Dialect, Head, Rule, address

_TAGS = (b"cucipop",)


def _login(head: Head, body: Body) -> Event:
    return Login(head.time, address(body[1]), head.words[:-1].decode(), "pop3")


DIALECT = Dialect(
    "cucipop",
    (
        Rule(
            "login",
            _TAGS,
            rb"[^\x00-\x20\x7f]{1,128} (?=[0-9.]{7,15} \d)",
            rb"(" + ADDRESS + rb") \d{1,20}, \d{1,20} \(\d{1,20}\), \d{1,20} \(\d{1,20}\)",
            _login,
        ),
    ),
)
