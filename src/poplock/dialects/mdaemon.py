"""MDaemon's POP and IMAP session logs, with ID strings in them.

    Tue 2026-11-24 10:00:00.123: [1234:2] Accepting POP connection from 192.0.2.7:40112 to ...:110
    Tue 2026-11-24 10:00:00.130: [1234:2] <-- USER ann
    Tue 2026-11-24 10:00:00.140: [1234:2] <-- PASS ******
    Tue 2026-11-24 10:00:00.150: [1234:2] --> +OK ...
    Tue 2026-11-24 10:00:01.123: [1235:2] 05: Accepting IMAP connection from [192.0.2.7:40113] to ..
    Tue 2026-11-24 10:00:01.140: [1235:2] 02: <-- a1 LOGIN ann ******
    Tue 2026-11-24 10:00:01.150: [1235:2] 03: --> a1 OK ...

Local time. The form of a line, with and without the two-digit code and the brackets, is that of the
samples in public log filters for MDaemon (2018 to 2026); the ID string is documented ("Log ID
string in mail session logs", "[%d:%d]"). Without it nothing in a line says which session it is of,
so nothing is read. What counts as success is the protocol's own word and not MDaemon's text: the
`+OK` that answers PASS (RFC 1939), the tagged `OK` that answers LOGIN (RFC 9051).

MDaemon writes a session's log when the session is over, unless "Log sessions in real time" is on:
without that a grant comes late, or for long IMAP sessions never. Sessions are not told.

Security: what a client wrote stands behind `<-- `, the server's words behind `--> `. Whether
MDaemon escapes a newline that isn't the end of a command is not documented.
"""

import re

from ..core.events import Event, Failure, Login
from .line import Form
from .model import ADDRESS, Body, Build, Dialect, Head, Rule, address

_FORM = Form(
    (
        rb"[A-Z][a-z]{2} (?P<stamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})?): (?:\d\d: )?"
        rb"\[(?P<pid>\d{1,10}:\d{1,10})\] (?:\d\d: )?",
    )
)
_PORTS = {b"110": b"plain", b"143": b"plain", b"993": b"tls", b"995": b"tls"}
_NAME = rb'"?([^"\\{} \x00-\x1f\x7f]{1,255})"?'
_POP3 = re.compile(rb"(?i:USER) " + _NAME)
_PASS = re.compile(rb"(?i:PASS)(?: [^\n]*)?")
_IMAP = re.compile(rb"([^ *+{}\"\x00-\x1f\x7f]{1,64}) (?i:LOGIN) " + _NAME + rb" [^\n]*")
_PASSWORD = b"+"  # what the server answers next is the password


def _key(head: Head) -> tuple[bytes, ...]:
    return (b"mdaemon", head.pid)


def _accepted(head: Head, body: Body) -> None:
    kind, ip, port = body.groups()
    service = b"pop3" if kind == b"POP" else b"imap"
    head.pending.put(_key(head), head.time, ip, service, port, b"", b"")


def _client(head: Head, body: Body) -> None:
    """What a client said: its name, its password, or something else that ends the attempt."""
    half = head.pending.take(_key(head), head.time)
    if half is None:
        return
    ip, service, port, user, _ = half
    said = body[1]
    expected = b""
    if service == b"pop3":
        if named := _POP3.fullmatch(said):
            user = named[1]
        elif _PASS.fullmatch(said) and user:
            expected = _PASSWORD
    elif login := _IMAP.fullmatch(said):
        expected, user = login.groups()
    head.pending.put(_key(head), head.time, ip, service, port, user, expected)


def _server(head: Head, accepted: bool, tag: bytes) -> Event | None:
    """The server's answer, where it is the one to a password."""
    half = head.pending.peek(_key(head), head.time)
    if half is None or not half[4] or half[4] != tag:
        return None
    ip, service, port, user, _ = half
    kept = ip, service, port, user, b""
    head.pending.put(_key(head), head.time, *kept)
    tls = True if _PORTS.get(port) == b"tls" else None
    told = (head.time, address(ip), user.decode(), service.decode("ascii"), tls)
    return Login(*told) if accepted else Failure(*told)


def _yes(head: Head, body: Body) -> Event | None:
    return _server(head, True, body[1] or _PASSWORD)


def _no(head: Head, body: Body) -> Event | None:
    return _server(head, False, body[1] or _PASSWORD)


def _rule(name: str, words: bytes, body: bytes, build: Build) -> Rule:
    return Rule(name, (), words, body, build, sure=False, forms=(_FORM,))


_TAG = rb'([^ *+{}"\x00-\x1f\x7f]{1,64})'
_TO = rb"\]? to \[?[0-9A-Fa-f.:]{2,45}:(\d{1,5})\]?"
DIALECT = Dialect(
    "mdaemon",
    (
        _rule(
            "half",
            rb"Accepting ",
            rb"(POP|IMAP) connection from \[?(" + ADDRESS + rb"):\d{1,5}" + _TO,
            _accepted,
        ),
        _rule("half", rb"<-- ", rb"([^\r\n]*)", _client),
        _rule("login", rb"--> ", rb"(?:\+OK|" + _TAG + rb" OK)(?: [^\n]*)?", _yes),
        _rule("failure", rb"--> ", rb"(?:-ERR|" + _TAG + rb" (?:NO|BAD))(?: [^\n]*)?", _no),
    ),
)
