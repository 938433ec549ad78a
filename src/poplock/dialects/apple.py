"""Apple's own mail server, AppleMailServer of Mac OS X Server up to 10.2: its IMAP log.

    Nov 24 2026 10:00:00 ... IMAP User "ann" log on successful from 192.0.2.7

in /Library/Logs/MailService/AppleMailServer.IMAP.log, local time. The form is known from
pop-before-smtp's pattern for this server; no line of a real one has been seen. What stands before
`IMAP` is not known: nothing or one word, as a program's name, is taken. Neither logouts nor
failures are known, nor the POP log's lines.

Later servers of Apple's write the logs of others: Cyrus from 10.3 to 10.5, Dovecot from 10.6 on.

Security: the name comes before the address; a quote in it makes the line unreadable.
"""

import re

from ..core.events import Event, Login
from .line import Form, read_stamp
from .model import ADDRESS, Body, Dialect, Head, Rule, address

_MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_STAMP = re.compile(rb"([A-Z][a-z]{2}) ([ \d]\d) (\d{4}) (\d\d:\d\d:\d\d)")


def _read(stamp: bytes, now: float, live: bool) -> float | None:
    month, day, year, clock = _STAMP.fullmatch(stamp).groups()  # type: ignore[union-attr]
    number = _MONTHS.index(month) + 1
    return read_stamp(b"%b-%02d-%02d %b" % (year, number, int(day), clock), now, live)


_FORM = Form(
    (
        rb"(?P<stamp>[A-Z][a-z]{2} [ \d]\d \d{4} \d\d:\d\d:\d\d)"
        rb"(?: [A-Za-z]{1,20}(?:\[\d{1,10}\])?:?)? IMAP ",
    ),
    _read,
)


def _login(head: Head, body: Body) -> Event:
    user, ip = body.groups()
    return Login(head.time, address(ip), user.decode(), "imap")


DIALECT = Dialect(
    "apple",
    (
        Rule(
            "login",
            (),
            rb"User ",
            rb'"([^"\x00-\x1f\x7f]{1,255})" log on successful from (' + ADDRESS + rb")",
            _login,
            sure=False,
            forms=(_FORM,),
        ),
    ),
)
