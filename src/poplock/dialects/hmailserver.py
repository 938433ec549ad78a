r"""hMailServer 5.6: its log of POP3 and IMAP conversations (hmailserver_DATE.log).

    "POP3D"<TAB>5108<TAB>12<TAB>"2026-11-24 10:00:00.123"<TAB>"192.0.2.7"<TAB>"RECEIVED: USER ann"
    "POP3D"<TAB>5108<TAB>12<TAB>"..."<TAB>"192.0.2.7"<TAB>"SENT: +OK Mailbox locked and ready"
    "IMAPD"<TAB>5108<TAB>13<TAB>"..."<TAB>"192.0.2.7"<TAB>"RECEIVED: a1 LOGIN ann ***"
    "IMAPD"<TAB>5108<TAB>13<TAB>"..."<TAB>"192.0.2.7"<TAB>"SENT: a1 OK LOGIN completed"

Program, thread, session, local time, peer, message: Logger::LogPOP3Conversation and
LogIMAPConversation (source/Server/Common/Application/Logger.cpp); the messages are those of
POP3Connection.cpp and IMAPCommandLogin.cpp. A login is told in two lines, joined by session and
peer. The name of an IMAP LOGIN with literals and of AUTHENTICATE PLAIN isn't in the log in plain:
those logins are seen and are nobody's. Sessions aren't told: the log has no line for a
connection that breaks.

Security: a message isn't escaped but for CR LF, which becomes `[nl]` (CleanLogMessage_). A client's
command may hold quotes, tabs and a bare LF, behind which it can imitate a line. What it can't make
is the end of one, since CR LF ends its command: only the server writes `"` CR LF. So

- a line that ends otherwise is the first part of one that a client has broken, and the next line
  that looks like the server's is the client's, or closes what the client wrote: it is no evidence;
- a log whose lines don't end in CR LF any more, because something took the CR away, can't be
  believed and is not read at all.

hMailServer shortens long lines in their middle unless it logs debugging; a line of 64 KiB could be
passed over here with the break in it, so leave that off.
"""

from ..core.events import Event, Failure, Login
from .line import Form
from .model import ADDRESS, Body, Build, Dialect, Head, Rule, address

_STAMP = rb'"(?P<stamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})"\t'
_FORM = Form(
    (
        rb'"(?P<tag>)"\t\d{1,10}\t(?P<pid>\d{1,10})\t' + _STAMP,
        rb'"(?P<tag>)"\t\d{1,10}\t' + _STAMP,  # no session, no peer
    )
)
_LOGINS = (b"POP3D", b"IMAPD")
_ALL = (*_LOGINS, b"SMTPD", b"SMTPC", b"POP3C", b"APPLICATION", b"DEBUG", b"ERROR", b"TCPIP")

_PEER = rb"(" + ADDRESS + rb')"\t"'
_END = rb'"\r'
_TAG = rb'([^ *+{}"\x00-\x1f\x7f]{1,64})'
_USER = _PEER + rb'RECEIVED: (?i:USER) ([^"\x00-\x20\x7f]{1,255})' + _END
# The name as an atom or quoted; one in a literal or in AUTHENTICATE's base64 stays unknown.
_LOGIN = (
    _PEER
    + rb"RECEIVED: "
    + _TAG
    + rb' (?i:LOGIN(?: (?:"([^"\\\x00-\x1f\x7f]{1,255})"|([^"\\{} \x00-\x1f\x7f]{1,255})) )?'
    + rb"|AUTHENTICATE )[^\n]*"
    + _END
)
_POP3_IN = _PEER + rb"SENT: \+OK Mailbox locked and ready" + _END
_IMAP_IN = _PEER + rb"SENT: " + _TAG + rb" OK LOGIN completed" + _END
_REFUSED = rb'Invalid user name or password\.[^"\n]{0,80}' + _END
_OUT = _PEER + rb"SENT: (?:-ERR|" + _TAG + rb" (?:NO|BAD)) " + _REFUSED
_TOLD = rb"|".join((_USER, _LOGIN, _POP3_IN, _IMAP_IN, _OUT))

_BROKEN = (b"hmailserver", b"broken")
_ALWAYS = 0.0  # a client writes the stamps behind its break, so nothing is too old


def _broken(head: Head, body: Body) -> None:
    """A client has broken a line; what follows may be its own."""
    head.pending.put(_BROKEN, _ALWAYS)


def _believed(head: Head) -> bool:
    """Whether this line is the server's: not the first one that looks so behind a broken one."""
    return head.pending.take(_BROKEN, _ALWAYS) is None


def _other(head: Head, body: Body) -> None:
    _believed(head)


def _key(head: Head, ip: bytes) -> tuple[bytes, ...]:
    return (b"hmailserver", head.tag, head.pid, ip)


def _user(head: Head, body: Body) -> None:
    ip, user = body.groups()
    if _believed(head):
        head.pending.put(_key(head, ip), head.time, user)


def _imap(head: Head, body: Body) -> None:
    ip, tag, quoted, atom = body.groups()
    if _believed(head):
        head.pending.put(_key(head, ip), head.time, tag, quoted or atom or b"")


def _logged_in(head: Head, body: Body) -> Event | None:
    ip = body[1]
    if not _believed(head):
        return None
    half = head.pending.take(_key(head, ip), head.time)
    if head.tag == b"POP3D":
        return None if half is None else Login(head.time, address(ip), half[0].decode(), "pop3")
    if half is None or half[0] != body[2]:
        return None
    return Login(head.time, address(ip), half[1].decode() or None, "imap")


def _failure(head: Head, body: Body) -> Event | None:
    ip = body[1]
    if not _believed(head):
        return None
    half = head.pending.take(_key(head, ip), head.time)
    user = half[-1].decode() if half and half[-1] else None
    return Failure(head.time, address(ip), user, "pop3" if head.tag == b"POP3D" else "imap")


def _rule(name: str, tags: tuple[bytes, ...], body: bytes, build: Build) -> Rule:
    return Rule(name, tags, rb'"', body, build, sure=False, forms=(_FORM,))


_POP3, _IMAP = _LOGINS[:1], _LOGINS[1:]
DIALECT = Dialect(
    "hmailserver",
    (
        _rule("half", _POP3, _USER, _user),
        _rule("half", _IMAP, _LOGIN, _imap),
        _rule("login", _POP3, _POP3_IN, _logged_in),
        _rule("login", _IMAP, _IMAP_IN, _logged_in),
        _rule("failure", _LOGINS, _OUT, _failure),
        _rule("half", _ALL, rb"(?!(?:" + _TOLD + rb")\n)[^\n]*" + _END, _other),
        _rule("half", _ALL, rb'(?![^\n]*"\r\n)[^\n]*', _broken),
    ),
)
