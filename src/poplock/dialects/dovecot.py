"""Dovecot 2.3 and 2.4: imap-login and pop3-login.

Login (elements joined by `, `; login_log_format_elements):
    2.3  imap-login: Login: user=<ann>, method=PLAIN, rip=..., lip=..., mpid=9, TLS, session=<...>
    2.4  imap-login: Logged in: user=<ann>, ...
End of a session, without the address; joined by session id:
    imap(ann)<9><session>: Disconnected: Logged out in=32 out=788 ...
Failure, of one connection with one or more attempts:
    2.3  pop3-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): user=<..
    2.4  pop3-login: Login aborted: ... (auth failed, 1 attempts in 2 secs) (auth_failed): user=<..
A log of its own (log_path) has no host and tag and says `Info: `.

Security: the client chooses what stands in user=<>. By default auth_username_chars keeps `<>, `
and blanks out of it; should a site have emptied that setting, a forged `rip=` leaves the true one
behind it, and a line with two of them is no login. Dovecot shortens a name to 80 characters and
ends it in `...`: such a name is nobody's.
"""

import re

from ..core.events import Event, Failure, Login, Logout
from .line import OWN, SYSLOG
from .model import ADDRESS, Body, Dialect, Head, Rule, address

_TAGS = (b"dovecot",)
_LOGIN = rb"(?:imap|pop3)-login: (?:Info: )?"
_USER = rb"[^<>, \x00-\x1f\x7f]{0,255}"
_SESSION = rb"[A-Za-z0-9+/=]{1,64}"
_CUT = 80  # characters of a name that src/login-common shows

# The order of login_log_format_elements as Dovecot comes.
_USUAL = (
    rb"user=<("
    + _USER
    + rb")>, method=[A-Za-z0-9-]{1,32}, rip=("
    + ADDRESS
    + rb"), lip="
    + ADDRESS
    + rb"(?:, mpid=\d{1,10})?(?:, (TLS|secured))?(?:, session=<("
    + _SESSION
    + rb")>)?"
)
# A site may choose other elements in another order: words and key=value, where a value is either
# in angle brackets or free of blanks, commas and brackets.
_KEY = rb"(?:[A-Za-z][A-Za-z0-9_-]{0,31}=)?"
_ELEMENT = _KEY + rb"(?:<[^<>\x00-\x1f\x7f]{0,255}>|[^<>, =\x00-\x1f\x7f]{0,255})"
_OTHER = rb"(" + _ELEMENT + rb"(?:, " + _ELEMENT + rb"){0,40})"
_SPLIT = re.compile(rb"(?:([A-Za-z][A-Za-z0-9_-]{0,31})=)?(?:<([^<>]*)>|([^<>, =]*))(?:, |$)")


def _service(words: bytes) -> str:
    return "imap" if words.startswith(b"imap") else "pop3"


def _name(user: bytes) -> str | None:
    """The user's name; None for one that Dovecot cut off."""
    name = user.decode()
    return None if len(name) >= _CUT and name.endswith("...") else name


def _login(head: Head, body: Body) -> Event | None:
    user, rip, security, session, other = body.groups()
    if other is not None:
        elements = _elements(other)
        if elements is None:
            return None
        user, rip, session = elements[b"user"], elements[b"rip"], elements.get(b"session")
        security = b"TLS" if b"TLS" in elements else b"secured" if b"secured" in elements else None
    if not user:
        return None
    return Login(
        head.time,
        address(rip),
        _name(user),
        _service(head.words),
        security == b"TLS" if security != b"secured" else None,
        None if session is None else session.decode("ascii"),
    )


def _elements(text: bytes) -> dict[bytes, bytes] | None:
    """Elements by their keys, words by themselves; None where two readings are possible."""
    found: dict[bytes, bytes] = {}
    for key, bracketed, bare in _SPLIT.findall(text):
        name = key or bare
        if name in found and name:
            return None
        found[name] = bracketed or bare
    if b"user" not in found or b"rip" not in found or re.search(rb"[, ]", found[b"user"]):
        return None
    return found


def _logout(head: Head, body: Body) -> Event:
    user, session = body.groups()
    service = _service(head.words)
    return Logout(head.time, None, _name(user), service, session=session.decode("ascii"))


def _failure(head: Head, body: Body) -> Event:
    user, rip, tls, session = body.groups()
    return Failure(
        head.time,
        address(rip),
        _name(user) if user else None,
        _service(head.words),
        tls == b"TLS" if tls != b"secured" else None,
        None if session is None else session.decode("ascii"),
    )


DIALECT = Dialect(
    "dovecot",
    (
        Rule(
            "login",
            _TAGS,
            _LOGIN + rb"(?:Login|Logged in): ",
            rb"(?:" + _USUAL + rb"|" + _OTHER + rb")",
            _login,
            forms=(SYSLOG, OWN),
        ),
        Rule(
            "logout",
            _TAGS,
            rb"(?:imap|pop3)\(",
            rb"([^()<>\x00-\x20\x7f]{1,255})\)<\d{1,10}><(" + _SESSION + rb")>: (?:Info: )?"
            rb"(?:Disconnected|Connection closed|Logged out)[^\n]*",
            _logout,
            sure=False,
            forms=(SYSLOG, OWN),
        ),
        Rule(
            "failure",
            _TAGS,
            _LOGIN + rb"(?:Disconnected|Aborted login|Login aborted|Connection closed)",
            rb"[^<>\n]{0,200}\(auth failed, \d{1,6} attempts[^()\n]{0,40}\)[^<>\n]{0,80}: user=<("
            rb"[^<>\n]{0,255})>, (?:method=[A-Za-z0-9-]{0,32}, )?rip=("
            + ADDRESS
            + rb"), lip="
            + ADDRESS
            + rb"(?:, (TLS|secured))?[^<>\n]{0,200}(?:, session=<("
            + _SESSION
            + rb")>)?",
            _failure,
            sure=False,
            forms=(SYSLOG, OWN),
        ),
    ),
)
