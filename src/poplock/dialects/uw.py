r"""UW imapd, ipop3d and ipop2d (imap-2007f and before, Panda IMAP).

    imapd[9]: Login user=ann host=ptr.example.net [192.0.2.7]
    imapd[9]: Authenticated user=ann host=ptr.example.net [192.0.2.7] mech=PLAIN
    imapd[9]: Logout user=ann host=ptr.example.net [192.0.2.7]
    ipop3d[9]: Login user=ann host=[192.0.2.7] nmsgs=0/3        also Auth, APOP; or `no mailbox`
    imapd[9]: Login failed user=ann auth=ann host=[192.0.2.7]   (facility auth)
    imapd[9]: imaps SSL service init from 192.0.2.7             (priority debug)

Formats: src/imapd/imapd.c, src/ipopd/ipop3d.c; server_init() and server_login() in
src/osdep/unix/env_unix.c; tcp_name() and tcp_clienthost() in src/osdep/unix/tcp_unix.c. Solaris
puts `[ID 702911 mail.info] ` before the text. TLS is known where the line of the TLS port was
logged; STARTTLS is logged nowhere. A process serves one session, so its id is the session's.

No login: `Preauthenticated` (by rsh or ssh; or by nobody, where inetd starts imapd as a user),
`Authenticated anonymous=`, `Admin Login` (an administrator opened another's mailbox), `IMAP login
to host=` (ipop3d only passes a password on). Versions that log a host name without an address, and
sessions through ssh (`host=UNKNOWN`, `host=SSH_CLIENT=...`), have no address to grant.

Security: the name before the bracket is the PTR of a stranger; the server takes letters, digits,
dot and hyphen only. User and host are cut at 80 characters, the address last: so the closing
bracket must be there, and a name of 80 is nobody's.

**ipop3d can be made to log whatever a stranger likes**, where it was built without
DISABLE_POP_PROXY: for `USER host:name` it connects to that host's IMAP server and logs that
server's warnings word by word (mm_log() in ipop3d.c; seen with 2007f), at priority debug or notice.
True logins have priority info, which most log files don't tell. So it is a dialect of its own, for
a log that holds info only (docs/how-to/pop/uw-imap.md). imapd's mm_log() tells its client alone.
"""

from ..core.events import Event, Failure, Login, Logout
from .model import ADDRESS, Body, Dialect, Head, Rule, address, process

_IMAPD = (b"imapd", b"imapsd", b"simapd", b"in.imapd", b"uw-imapd")
_IPOP3D = (b"ipop3d", b"ipop3sd", b"sipop3d", b"in.ipop3d", b"ipop2d", b"in.ipop2d")
_ID = rb"(?:\[ID \d{1,6} mail\.info\] )?"
_USER = rb"([^\[\]\x00-\x20\x7f]{1,80})"
_HOST = rb" host=(?:[A-Za-z0-9.-]{1,80} )?\[(" + ADDRESS + rb")\]"
_CUT = 80
_ENDS = (
    rb"(?:Logout|Autologout|Hangup|Killed(?: \((?:lost mailbox lock|terminated)\))?"
    rb"|[A-Z][A-Za-z ]{1,60}, while reading [a-z ]{1,40}) user="
)


def _name(user: bytes) -> str | None:
    """The user's name; None for one that may have been cut off."""
    return user.decode() if len(user) < _CUT else None


def _service(tag: bytes) -> str:
    return "imap" if b"imap" in tag else "pop2" if b"pop2" in tag else "pop3"


def _tls_port(head: Head, body: Body) -> None:
    if head.pid:
        head.pending.put((b"uw", head.host, head.pid), head.time, body[1])


def _login(head: Head, body: Body) -> Event:
    user, ip = body.groups()
    port = head.pending.take((b"uw", head.host, head.pid), head.time)
    tls = True if port is not None and address(port[0]) == address(ip) else None
    return Login(head.time, address(ip), _name(user), _service(head.tag), tls, process(head))


def _logout(head: Head, body: Body) -> Event:
    user, ip = body.groups()
    return Logout(head.time, address(ip), _name(user), _service(head.tag), session=process(head))


def _failure(head: Head, body: Body) -> Event:
    user, ip = body.groups()
    return Failure(head.time, address(ip), user.decode() if user else None, _service(head.tag))


def _rules(tags: tuple[bytes, ...], words: bytes, rest: bytes) -> tuple[Rule, ...]:
    return (
        Rule(
            "half",
            tags,
            rb"(?:imaps|pop3s) SSL service init from ",
            rb"(" + ADDRESS + rb")",
            _tls_port,
        ),
        Rule("login", tags, _ID + words, _USER + _HOST + rest, _login),
        Rule(
            "logout",
            tags,
            _ID + _ENDS,
            rb"(?!\?\?\? )" + _USER + _HOST,  # ???: nobody had logged in
            _logout,
            sure=False,
        ),
        Rule(
            "failure",
            tags,
            rb"Login (?:failed|disabled|excessive login failures|SYSTEM BREAK-IN ATTEMPT) user=",
            rb"(?:([^ \[\]\n]{1,64}) auth=)?[^\n]{0,160}" + _HOST,
            _failure,
            sure=False,
        ),
        Rule(
            "failure",
            tags,
            _ID + rb"AUTHENTICATE ",
            rb"()[^\n]{0,512} (?:failure|invalid)" + _HOST,
            _failure,
            sure=False,
        ),
    )


IMAPD = Dialect(
    "uw_imapd",
    _rules(_IMAPD, rb"(?:Login|Authenticated) user=", rb"(?: mech=[A-Za-z0-9_-]{1,80})?"),
)
IPOP3D = Dialect(
    "uw_ipop3d",
    _rules(
        _IPOP3D,
        rb"(?:Login|Auth|APOP) user=",
        rb"(?: nmsgs=\d{1,20}/\d{1,20}| no mailbox)?",
    ),
)
