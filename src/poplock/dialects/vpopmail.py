"""vpopmail's vchkpw, behind qmail's POP3 and IMAP servers: 5.4 and before.

    5.4  vpopmail[9]: vchkpw-pop3: (PLAIN) login success ann@example.org:192.0.2.7
         vpopmail[9]: vchkpw-pop3: system password login success ann:192.0.2.7
         vpopmail[9]: vchkpw-pop3: password fail ann@example.org:192.0.2.7
         vpopmail[9]: vchkpw-imap: vpopmail user not found ann@example.org:192.0.2.7
    4    vpopmail[9]: vchkpw: login success ann@example.org:192.0.2.7
    3    vpopmail[9]: vchkpw: login [ann@example.org] from 192.0.2.7

Formats: main(), login_virtual_user() and login_system_user() in vchkpw.c of 4 and 5.4; that of 3
from the configuration of pop-before-smtp. Successes are logged where vpopmail was built so
(ENABLE_LOGGING 1 or 4). The word behind `vchkpw-` is the service; `smtp`, `submission` and
`webmail` are reported as such and earn nothing by default. Without it, the service is POP3: the
only one that those versions knew. With password logging switched on, failures hold the password,
which is never taken.

Security: the name comes before the address, parted by a colon, which a name can't hold
(is_username_valid()). Only IPv4 is read behind it: of IPv6 addresses vchkpw logs what is behind
their last colon (get_remote_ip()), and a name that did hold colons would lengthen one.
"""

import re

from ..core.events import Event, Failure, Login
from .model import Body, Dialect, Head, Rule, address

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
_WORDS = rb"vchkpw(?:-" + _SERVICES + rb")?: "
_METHOD = rb"(?:\([A-Z0-9-]{1,16}\) )?"
_IP = rb"((?:::ffff:)?\d{1,3}(?:\.\d{1,3}){3})"
_USER = rb"([^:\x00-\x20\x7f]{1,255})"
_REFUSED = (
    rb"(?:(?:system )?password fail|(?:vpopmail|system) user not found"
    rb"|invalid user/domain characters|null (?:user name|password) given"
    rb"|(?:pop|imap|smtp|webmail) access denied)"
)
_SERVICE = re.compile(rb"vchkpw-([a-z0-9]+): ")


def _service(words: bytes) -> tuple[str, bool | None]:
    """The service, and whether its port is a TLS one."""
    match = _SERVICE.match(words)
    name = match[1].decode("ascii") if match else "pop3"
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
            _WORDS + _METHOD + rb"(?:system password )?login success ",
            _USER + rb":" + _IP,
            _login,
        ),
        Rule(
            "login",
            _TAGS,
            rb"vchkpw: login \[",
            rb"([^\[\]\x00-\x20\x7f]{1,255})\] from " + _IP,
            _login,
        ),
        Rule(
            "failure",
            _TAGS,
            _WORDS + _METHOD + _REFUSED + rb" ",
            rb"(?:\(pass: '[^\n]{0,255}'\) |[^\n]{0,255} )?"
            rb"([^:'\x00-\x20\x7f]{0,255}):" + _IP,
            _failure,
            sure=False,
        ),
    ),
)
