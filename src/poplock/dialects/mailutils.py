r"""GNU Mailutils 3: pop3d and imap4d under xinetd, which tells the address.

    xinetd[5]: START: pop3 pid=9 from=::ffff:192.0.2.7
    pop3d[9]: TLS established using AES-256-GCM-AEAD (TLS1.3)
    pop3d[9]: POP3 login: user `ann', source system
    imap4d[9]: user `ann' logged in (source: system)
    xinetd[5]: EXIT: pop3 status=0 pid=9

xinetd starts a process for each connection and logs both ends of it, with the process id that the
server then logs under. It does so with `log_type = SYSLOG daemon info` and `log_on_success = PID
HOST EXIT`, for services whose names begin with `pop` or `imap`. As daemons the servers log at most
the bare address, under the id of the parent and not of the process that logs the login: two clients
at once can't be told apart, so that is never read.

Security: nothing of the client's stands in xinetd's line. The names in the others were proved; one
with a blank or a quote is not read.
"""

from ..core.events import Event, Failure, Login, Logout
from .model import ADDRESS, Body, Dialect, Head, Rule, address, process

_POP3, _IMAP, _XINETD = (b"pop3d",), (b"imap4d",), (b"xinetd",)
_SERVICE = rb"((?:pop|imap)[A-Za-z0-9_-]{0,32})"
_USER = rb"([^'`\x00-\x20\x7f]{1,255})"


def _key(head: Head, kind: bytes = b"mailutils", pid: bytes = b"") -> tuple[bytes, ...]:
    return kind, head.host, pid or head.pid


def _service(head: Head) -> str:
    return "pop3" if head.tag == b"pop3d" else "imap"


def _start(head: Head, body: Body) -> None:
    _, pid, ip = body.groups()
    head.pending.put(_key(head, pid=pid), head.time, ip)


def _tls(head: Head, body: Body) -> None:
    if head.pid:
        head.pending.put(_key(head, b"mailutils-tls"), head.time)


def _login(head: Head, body: Body) -> Event | None:
    half = head.pending.take(_key(head), head.time) if head.pid else None
    tls = head.pending.take(_key(head, b"mailutils-tls"), head.time) is not None
    if half is None:
        return None
    ip, user = address(half[0]), body[1].decode()
    return Login(head.time, ip, user, _service(head), tls or None, process(head))


def _failure(head: Head, body: Body) -> Event:
    half = head.pending.peek(_key(head), head.time) if head.pid else None
    ip = None if half is None else address(half[0])
    return Failure(head.time, ip, body[1].decode() or None, _service(head))


def _exit(head: Head, body: Body) -> Event | None:
    service, pid = body.groups()
    if head.pending.take(_key(head, pid=pid), head.time) is not None:
        return None  # it never logged in
    name = "pop3" if service.startswith(b"pop") else "imap"
    return Logout(head.time, None, None, name, session=process(head._replace(pid=pid)))


DIALECT = Dialect(
    "mailutils",
    (
        Rule(
            "half",
            _XINETD,
            rb"START: ",
            _SERVICE + rb" pid=(\d{1,10}) from=(" + ADDRESS + rb")",
            _start,
        ),
        Rule("half", _POP3 + _IMAP, rb"TLS established using ", rb"[^\n]*", _tls),
        Rule("login", _POP3, rb"POP3 login: user `", _USER + rb"', source [a-z]{1,32}", _login),
        Rule(
            "login",
            _IMAP,
            rb"user `",
            _USER + rb"' logged in \(source: [a-z]{1,32}\)",
            _login,
            sure=False,
        ),
        Rule(
            "failure",
            _POP3 + _IMAP,
            rb"user `",
            rb"([^\n]{0,255})'(?:: authentication failed| nonexistent)",
            _failure,
            sure=False,
        ),
        Rule("failure", _IMAP, rb"login failed: ", rb"([^\n]{0,255})", _failure, sure=False),
        Rule(
            "logout",
            _XINETD,
            rb"EXIT: ",
            _SERVICE + rb" (?:status|signal)=\d{1,5} pid=(\d{1,10})(?: duration=\d{1,10}\(sec\))?",
            _exit,
            sure=False,
        ),
    ),
)
