r"""Microsoft Exchange's POP3 and IMAP4 protocol logs, those of the client access front end.

    #Fields: dateTime,sessionId,seqNumber,sIp,cIp,user,duration,rqsize,rpsize,command,parameters,...
    2026-11-24T10:00:00.123Z,00000000000000B7,2,192.0.2.1:993,192.0.2.7:40112,ann,205,48,24,login,
        ann@example.org *****,R=OK,                                                (one line)
    2026-11-24T10:00:09.456Z,00000000000000B7,9,192.0.2.1:993,192.0.2.7:40112,ann,0,61,458,
        CloseSession,,,                                                            (one line)

CSV in UTF-8 with CR LF, stamps in UTC (Microsoft: "Protocol logging for POP3 and IMAP4 in Exchange
Server"; the names of the fields as in public tools that read these logs). A login is the answer
`R=OK` to LOGIN, AUTHENTICATE, PASS or AUTH in a row with a user, whom Exchange names once it knows
him. A session is known by its id and the client's address and port; CloseSession ends it.

Only the usual ports (110, 143, 993, 995) are read: the back end's logs, on ports of their own, show
the front end's address as the client's.

Security: the address stands before all that a client wrote but its name, which follows it. A field
with a comma or quote stands in quotes, those in it doubled, so a row has an even number of them. A
row that hasn't was broken by what a client wrote, and what follows it for the next two minutes is
no evidence; neither is a row from the future, with which that could be cut short.
"""

from ..core.events import Event, Failure, Login, Logout
from .line import Form, read_stamp
from .model import ADDRESS, Body, Build, Dialect, Head, Rule, address

_AHEAD = 60.0  # seconds that Exchange's clock may be ahead of ours
_BROKEN = (b"exchange", b"broken")


def _read(stamp: bytes, now: float, live: bool) -> float | None:
    moment = read_stamp(stamp, now, live)
    return None if moment is None or moment > now + _AHEAD else moment


_FORM = Form(
    (rb"(?P<stamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z),(?P<pid>[0-9A-Fa-f]{1,32}),\d{1,10},",),
    _read,
)
_SERVER = rb"\[?" + ADDRESS + rb"\]?:(110|143|993|995),"
_CLIENT = rb"(\[?" + ADDRESS + rb"\]?:\d{1,5}),"
_USER = rb'([^,"\x00-\x1f\x7f]{1,255}),'
_SIZES = rb"\d{0,10},\d{0,10},\d{0,10},"
_QUOTED = rb'[^"\n]*+(?:""[^"\n]*+){0,4096}'
_FIELD = rb'(?:"' + _QUOTED + rb'"|[^",\n]*+)'
_REST = rb"(?:," + _FIELD + rb"){0,8}"
_OPENERS = rb"(?i:(login|authenticate|pass|auth)),"
_OK = rb'(?:R=(?i:ok)(?:;[^",\n]*+)?|"R=(?i:ok)(?:;' + _QUOTED + rb')?")'
_TOLD = _SERVER + _CLIENT + _USER + _SIZES
_LOGIN = _TOLD + _OPENERS + _FIELD + rb"," + _OK + _REST
_REFUSED = (
    _SERVER
    + _CLIENT
    + rb'(?:[^,"\n]{0,255}),'
    + _SIZES
    + _OPENERS
    + _FIELD
    + rb",(?!"
    + _OK
    + rb"[,\r\n])"
    + _FIELD
    + _REST
)
_CLOSED = _TOLD + rb"(?i:CloseSession)," + _FIELD + _REST
_SERVICES = {b"login": "imap", b"authenticate": "imap", b"pass": "pop3", b"auth": "pop3"}


def _service(port: bytes) -> tuple[str, bool | None]:
    return "imap" if port in (b"143", b"993") else "pop3", True if port in (
        b"993",
        b"995",
    ) else None


def _ip(client: bytes) -> bytes:
    return client.rpartition(b":")[0].strip(b"[]")


def _session(head: Head, client: bytes) -> str:
    return f"{head.pid.decode('ascii')} {client.decode('ascii')}"


def _believed(head: Head) -> bool:
    return head.pending.peek(_BROKEN, head.time) is None


def _broken(head: Head, body: Body) -> None:
    head.pending.put(_BROKEN, head.time)


def _login(head: Head, body: Body) -> Event | None:
    port, client, user, _ = body.groups()
    if not _believed(head):
        return None
    service, tls = _service(port)
    session = _session(head, client)
    return Login(head.time, address(_ip(client)), user.decode(), service, tls, session)


def _logout(head: Head, body: Body) -> Event | None:
    port, client, user = body.groups()
    if not _believed(head):
        return None
    service, tls = _service(port)
    session = _session(head, client)
    return Logout(head.time, address(_ip(client)), user.decode(), service, tls, session)


def _failure(head: Head, body: Body) -> Event | None:
    port, client, _ = body.groups()
    if not _believed(head):
        return None
    service, tls = _service(port)
    return Failure(head.time, address(_ip(client)), None, service, tls, _session(head, client))


def _rule(name: str, body: bytes, build: Build) -> Rule:
    return Rule(name, (), rb"", body, build, sure=False, forms=(_FORM,))


_EVEN = rb'[^"\n]*+(?:"[^"\n]*+"[^"\n]*+){0,65535}'
DIALECT = Dialect(
    "exchange",
    (
        _rule("login", _LOGIN, _login),
        _rule("logout", _CLOSED, _logout),
        _rule("failure", _REFUSED, _failure),
        _rule("half", _EVEN + rb'"[^"\n]*+', _broken),
    ),
)
