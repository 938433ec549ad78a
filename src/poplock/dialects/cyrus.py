r"""Cyrus IMAP 3.6 to 3.10: imapd and pop3d, under the names of their services in cyrus.conf.

    cyrus/imap[9]: login: [192.0.2.7] ann plaintext User logged in SESSIONID=<cyrus-...>
    cyrus/pop3s[9]: login: ptr.example.net [192.0.2.7] ann PLAIN+TLS User logged in SESSIONID=<...>
    cyrus/imap[9]: badlogin: [192.0.2.7] plaintext (ann) [SASL(-13): authentication failure: ...]
Ends, in a process that serves one connection after the other:
    cyrus/pop3[9]: USAGE ann user: 0.009 sys: 0.004
    cyrus/imap[9]: session ended: sessionid=<...> userid=<ann> id.name=<...>       (3.10, each)
    cyrus/master[8]: process type:SERVICE name:imap path:... age:2s pid:9 signaled to death by ...

3.6's imapd writes nothing when a connection breaks off without LOGOUT: such a session is open until
`max_session`, or until its process logs another end. 3.10 tells the end of a session with LOGOUT
twice, of which the second changes nothing.

Security: a host name may stand before the address; it belongs to the stranger, but holds neither
blank nor bracket here. Behind the address come the name that was proved and a fixed end. An
anonymous login is logged with whatever password the client gave behind the name, and earns nothing.
What an IMAP client says of itself (`id.name`) stands last in its line and isn't looked at.
"""

from ..core.events import Event, Failure, Login, Logout
from .model import ADDRESS, Body, Dialect, Head, Rule, address, process

_TAGS = tuple(
    prefix + service + suffix
    for prefix in (b"cyrus/", b"")
    for service in (b"imap", b"pop3")
    for suffix in (b"", b"s", b"d")
)
_FROM = rb"(?:[A-Za-z0-9._-]{1,255} )?\[(" + ADDRESS + rb")\] "
_ID = rb"<[A-Za-z0-9-]{1,80}>"


def _service(head: Head) -> str:
    return "pop3" if b"pop3" in head.tag else "imap"


def _login(head: Head, body: Body) -> Event | None:
    ip, user, tls = body.groups()
    if user == b"anonymous":
        return None
    who = user.decode()
    return Login(head.time, address(ip), who, _service(head), tls is not None, process(head))


def _usage(head: Head, body: Body) -> Event:
    return Logout(head.time, None, body[1].decode(), _service(head), session=process(head))


def _ended(head: Head, body: Body) -> Event | None:
    if not body[1]:
        return None  # it never logged in
    return Logout(head.time, None, body[1].decode(), _service(head), session=process(head))


def _killed(head: Head, body: Body) -> Event:
    service, pid = body.groups()
    session = process(head._replace(pid=pid))
    return Logout(head.time, None, None, "pop3" if b"pop3" in service else "imap", session=session)


def _failure(head: Head, body: Body) -> Event:
    ip, user = body.groups()
    return Failure(head.time, address(ip), user.decode() or None, _service(head))


DIALECT = Dialect(
    "cyrus",
    (
        Rule(
            "login",
            _TAGS,
            rb"login: ",
            _FROM + rb"([^\x00-\x20\x7f]{1,255}) [A-Za-z0-9_-]{1,32}(\+TLS)? "
            rb"User logged in(?: SESSIONID=" + _ID + rb")?",
            _login,
        ),
        Rule(
            "logout",
            _TAGS,
            rb"USAGE ",
            rb"([^\x00-\x20\x7f]{1,255}) user: [0-9.]{1,32} sys: [0-9.]{1,32}",
            _usage,
        ),
        Rule(
            "logout",
            _TAGS,
            rb"session ended: sessionid=",
            _ID + rb" userid=<([^<>\x00-\x20\x7f]{0,255})>[^\n]*",
            _ended,
            sure=False,
        ),
        Rule(
            "logout",
            (b"cyrus/master",),
            rb"process type:SERVICE name:",
            rb"((?:imap|pop3)[sd]?) path:[^ \n]{1,255} age:[0-9.]{1,20}s pid:(\d{1,10}) "
            rb"signaled to death by signal [^\n]*",
            _killed,
            sure=False,
        ),
        Rule(
            "failure",
            _TAGS,
            rb"badlogin: ",
            _FROM + rb"[A-Za-z0-9_-]{1,32} \(([^()\n]{0,255})\) [^\n]*",
            _failure,
            sure=False,
        ),
    ),
)
