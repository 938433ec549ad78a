r"""Qpopper 2 to 4, by syslog or in a trace file of its own (-t).

    popper[9]: (v4.0.9) POP login by user "ann" at (ptr.example.net) 192.0.2.7
    popper[9]: Stats: ann 0 0 3 4711 ptr.example.net 192.0.2.7
    popper[9]: [drac]: login by ann from host ptr.example.net (192.0.2.7)
    popper[9]: [AUTH] Failed attempted login to ann from host (ptr.example.net) 192.0.2.7
    Nov 24 10:00:00.123 2026 [9] (v4.0.9) POP login by user "ann" at (ptr.example.net) 192.0.2.7
    Tue Nov 24 10:00:00 2026 [9] Stats: ann 0 0 3 4711 ptr.example.net 192.0.2.7

Formats: pop_init() and do_log_login() for the first (built with --enable-log-login, or set
log-login; only the usual wording is read), pop_updt(), drac_it(), pop_pass(), pop_logv() for the
trace file, which leaves the year behind the fraction. The last form, of 3.0's trace files, and
`[popper] ` before the text are in the configuration of pop-before-smtp. With debugging on, the
place in the source follows: ` [pop_log.c:244]`.

A Stats line tells of an authenticated session too, when it ends by QUIT: read as a login at that
time, so that the right lasts a window from then. Sessions that break off have none, so the
dialect knows no sessions. Qpopper 2's Stats have no address. TLS isn't told.

Security: the user's name stands first and the address last. Neither name nor host may hold a
blank here; a refused command is logged with the name first (pop_msg()), and a name that imitates
a login there is followed by ` at HOST (ADDRESS): -ERR`, so no line that ends in an address.
"""

import re

from ..core.events import Event, Failure, Login
from .line import STAMP, SYSLOG, Form, read_stamp
from .model import ADDRESS, Body, Dialect, Head, Rule, address

_TAGS = (b"popper", b"qpopper", b"in.popper", b"in.qpopper")
_USER = rb"([^\"\x00-\x20\x7f]{1,128})"
_HOST = rb"[A-Za-z0-9._:-]{1,255}"
_PLACE = rb"(?: \[pop_[a-z]{1,12}\.c:\d{1,6}\])?"
_TRACE = re.compile(rb"(?:[A-Z][a-z]{2} )?([A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:\d\d)(\.\d+)? (\d{4})")
_MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def _read_trace(stamp: bytes, now: float, live: bool) -> float | None:
    """Stamps with the year behind the time, with or without the day of the week."""
    match = _TRACE.fullmatch(stamp)
    if match is None:
        return None
    month = _MONTHS.index(match[1][:3]) + 1
    day, clock = int(match[1][4:6]), match[1][7:]
    return read_stamp(b"%b-%02d-%02d %b" % (match[3], month, day, clock), now, live)


_DATE = rb"[A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:\d\d"
_BEHIND = rb" \d{4}) \[(?P<pid>\d{1,10})\]  ?"
_FORMS = (
    SYSLOG,
    Form((STAMP + rb"\[popper\] ",)),
    Form(
        (
            rb"(?P<stamp>" + _DATE + rb"\.\d{3,4}" + _BEHIND,
            rb"(?P<stamp>[A-Z][a-z]{2} " + _DATE + _BEHIND,
        ),
        _read_trace,
    ),
)


def _login(head: Head, body: Body) -> Event:
    *users, ip = body.groups()
    user = next(u for u in users if u)
    return Login(head.time, address(ip), user.decode(), "pop3")


def _failure(head: Head, body: Body) -> Event:
    user, ip = body.groups()
    return Failure(head.time, address(ip), user.decode() if user else None, "pop3")


DIALECT = Dialect(
    "qpopper",
    (
        Rule(
            "login",
            _TAGS,
            rb"\(v[0-9A-Za-z.+_-]{1,32}\) POP login by user ",
            rb"(?:\""
            + _USER
            + rb"\"|"
            + _USER
            + rb") at \("
            + _HOST
            + rb"\) ("
            + ADDRESS
            + rb")"
            + _PLACE,
            _login,
            forms=_FORMS,
        ),
        Rule(
            "login",
            _TAGS,
            rb"Stats: ",
            rb" ?"
            + _USER
            + rb"(?: -?\d{1,20}){4} (?:"
            + _HOST
            + rb" )?("
            + ADDRESS
            + rb")"
            + _PLACE,
            _login,
            sure=False,  # without an address
            forms=_FORMS,
        ),
        Rule(
            "login",
            _TAGS,
            rb"\[drac\]: login by ",
            _USER + rb" from host " + _HOST + rb" \((" + ADDRESS + rb")\)" + _PLACE,
            _login,
            forms=_FORMS,
        ),
        Rule(
            "failure",
            _TAGS,
            rb"\[AUTH\] Failed attempted login to ",
            rb"([^\n]{0,255}) from host \(" + _HOST + rb"\) (" + ADDRESS + rb")" + _PLACE,
            _failure,
            sure=False,
            forms=_FORMS,
        ),
    ),
)
