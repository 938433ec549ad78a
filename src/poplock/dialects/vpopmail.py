"""vpopmail's vchkpw, behind qmail's POP3 and IMAP servers.

    vpopmail[123]: vchkpw-pop3: (PLAIN) login success ann@example.org:192.0.2.7
    vpopmail[123]: vchkpw-pop3: password fail ann@example.org:192.0.2.7
    vpopmail[123]: vchkpw-imap: vpopmail user not found ann@example.org:192.0.2.7

The lines are composed from the formats in vpopmail's source. The word behind `vchkpw-` is the
service; `smtp`, `submission` and `webmail` are reported as such and earn nothing by default. With
password logging switched on, failures hold `(pass: '...')`, which is never taken.

Security: the name comes before the address, parted by a colon, which a name therefore can't hold.
"""

import re

from ..core.events import Event, Failure, Login
from .model import ADDRESS, Body, Dialect, Head, Rule, address

_SERVICES = rb"(?:pop3s?|imaps?|smtps?|submission|webmail|\d{1,5})"
_TAGS = (
    b"vpopmail",
    b"vchkpw",
    b"vchkpw-pop3",
    b"vchkpw-pop3s",
    b"vchkpw-imap",
    b"vchkpw-imaps",
    b"vchkpw-smtp",
)
_WORDS = rb"vchkpw-" + _SERVICES + rb": (?:\([A-Z0-9-]{1,16}\) )?"
_SERVICE = re.compile(rb"vchkpw-([a-z0-9]+): ")


def _service(words: bytes) -> tuple[str, bool | None]:
    """The service, and whether its port is a TLS one."""
    match = _SERVICE.match(words)
    name = match[1].decode("ascii") if match else "?"
    names = {"pop3s": "pop3", "imaps": "imap", "smtps": "smtp", "110": "pop3", "143": "imap"}
    return names.get(name, name), True if name in ("pop3s", "imaps", "smtps") else None


def _login(head: Head, body: Body) -> Event:
    user, ip = body.groups()
    service, tls = _service(head.words)
    return Login(head.time, address(ip), user.decode(), service, tls)


def _failure(head: Head, body: Body) -> Event:
    user, ip = body.groups()
    service, tls = _service(head.words)
    return Failure(head.time, address(ip), user.decode() if user else None, service, tls)


DIALECT = Dialect(
    "vpopmail",
    (
        Rule(
            "login",
            _TAGS,
            _WORDS + rb"login success ",
            rb"([^:\x00-\x20\x7f]{1,255}):(" + ADDRESS + rb")",
            _login,
        ),
        Rule(
            "failure",
            _TAGS,
            _WORDS + rb"(?:password fail|vpopmail user not found|invalid user/domain characters) ",
            rb"(?:\(pass: '[^\n]{0,255}'\) )?([^:'\x00-\x20\x7f]{0,255}):(" + ADDRESS + rb")",
            _failure,
            sure=False,
        ),
    ),
)
