"""DRAC: a POP server calls, and the client that logged in may relay (dynamic relay authorization).

ONC RPC (RFC 5531), program 900101, over UDP (a datagram is a message) and TCP (with record marks).

| procedure | version 1 | version 2 |
|---|---|---|
| 0, NULL | nothing | nothing |
| 1, ADD | the IPv4 address, one word | the IPv6 address: 16 words of a byte each, or 16 bytes |

Version 2 declares `char[16]`, which XDR writes as 16 words, sign-extended where char is signed.
A mapped IPv4 address in it counts as IPv4. There is no user in a call: the configured one counts.

| outcome of ADD | result |
|---|---|
| kept on disk | 0, ADD_SUCCESS: whoever asks now is permitted, before the POP server says OK |
| the caller is not listed | 1, ADD_PERM |
| not kept | 2, ADD_SYSERR |

Errors are RPC's own: PROG_UNAVAIL, PROG_MISMATCH (1 to 2), PROC_UNAVAIL, GARBAGE_ARGS, RPC_MISMATCH
(2), AUTH_ERROR. What can't be a call gets no reply: one that answers replies can be made to talk to
itself. A call sent again is done again, to the same effect.

Limits: a message has at most 1024 bytes, a credential and a verifier 400 each (RFC 5531).
Security: credentials (AUTH_NONE, AUTH_SYS) are passed over, as they prove nothing; a caller counts
by its address, which can be forged in UDP. Other flavors would expect a verifier from us and are
refused.
Bugs of the old ones avoided: rpc.dracd said success before a reader of its file could see it, kept
an expired address until its next sweep, and knew IPv4 callers only. Clients before 1.9 on
little-endian hosts sent the address reversed; nothing in the call tells, so theirs is granted so.
"""

from collections import deque
from collections.abc import Sequence

from ..config.sources import DracSettings
from ..core.addresses import IPAddress, ip_from_bytes
from ..core.answers import Outcome, Refused
from ..core.dialogue import Dialogue, MakeDialogue, Request
from ..core.errors import WireError
from ..core.events import NOW, Login
from ..wire.xdr import Reader, Records, marked, words

PROGRAM = 900_101
VERSIONS = (1, 2)
LONGEST_MESSAGE = 1024
_LONGEST_AUTH = 400  # RFC 5531, section 8.2
_RPC_VERSION = 2
_CALL, _REPLY = 0, 1
_ACCEPTED, _DENIED = 0, 1
_SUCCESS, _PROG_UNAVAIL, _PROG_MISMATCH, _PROC_UNAVAIL, _GARBAGE_ARGS = range(5)
_RPC_MISMATCH, _AUTH_ERROR = 0, 1
_AUTH_BADCRED, _AUTH_REJECTEDCRED, _AUTH_BADVERF = 1, 2, 3
_AUTH_NONE, _AUTH_SYS = 0, 1
_ADD_SUCCESS, _ADD_PERM, _ADD_SYSERR = range(3)


class _RefusedError(Exception):
    """A call that gets an error: the words of its reply after the message type."""

    def __init__(self, why: str, *body: int) -> None:
        super().__init__(why)
        self.body = body


def dialogues(settings: DracSettings, intake: object) -> MakeDialogue:
    """A dialogue for each connection or datagram."""
    return lambda peer, datagram: DracDialogue(
        datagram=datagram, user=settings.user, service=settings.service
    )


class DracDialogue(Dialogue):
    """One caller's connection or datagram. `user`: who the logins count for."""

    refuses = True

    def __init__(
        self, *, datagram: bool = False, user: str = "unnamed", service: str = "pop3"
    ) -> None:
        self._records = None if datagram else Records(LONGEST_MESSAGE)
        self._user = user
        self._service = service
        self._open: deque[int] = deque()  # transaction ids of the calls that wait for their outcome
        self._broken: str | None = None

    def receive_data(self, data: bytes) -> Sequence[Request]:
        if self._broken is not None:
            raise WireError(self._broken)
        if not data:  # the end, which nothing hangs on
            return ()
        requests: list[Request] = []
        try:
            for message in (data,) if self._records is None else self._records.feed(data):
                self._take(message, requests)
            self.at_rest = self._records is None or self._records.at_rest
        except WireError as error:
            self._broken, self.closing = str(error), True
            if not requests:
                raise
            self._refuse(self._broken)
        return requests

    def _take(self, message: bytes, requests: list[Request]) -> None:
        """Read one call: into `requests`, or its reply is known at once."""
        if len(message) > LONGEST_MESSAGE:
            raise WireError(f"a message of more than {LONGEST_MESSAGE} bytes")
        call = Reader(message)
        xid, kind = call.word(), call.word()
        if kind != _CALL:
            raise WireError("a message that is no call")
        try:
            ip = self._read(call)
        except _RefusedError as error:
            self._refuse(str(error))
            self._say(xid, *error.body)
        else:
            if ip is None:
                self._say(xid, _ACCEPTED, _AUTH_NONE, 0, _SUCCESS)
            else:
                self._open.append(xid)
                requests.append(Login(NOW, ip, self._user, self._service))

    def _read(self, call: Reader) -> IPAddress | None:
        """The address to add; None: the call does nothing."""
        rpc = call.word()
        if rpc != _RPC_VERSION:
            raise _RefusedError(
                f"RPC version {rpc}", _DENIED, _RPC_MISMATCH, _RPC_VERSION, _RPC_VERSION
            )
        program, version, procedure = call.word(), call.word(), call.word()
        _pass_over_auth(call)
        if program != PROGRAM:
            raise _accepted(f"a call of program {program}", _PROG_UNAVAIL)
        if version not in VERSIONS:
            raise _accepted(f"version {version} of DRAC", _PROG_MISMATCH, VERSIONS[0], VERSIONS[-1])
        if procedure == 0:
            return None
        if procedure != 1:
            raise _accepted(f"procedure {procedure} of DRAC", _PROC_UNAVAIL)
        packed = call.rest() if version == 1 else _bytes_of_chars(call.rest())
        if len(packed) != (4 if version == 1 else 16):
            raise _accepted("an argument that is no address", _GARBAGE_ARGS)
        return ip_from_bytes(packed)

    def reply(self, request: Request, outcome: Outcome) -> None:
        result = _ADD_SYSERR
        if outcome is None:
            result = _ADD_SUCCESS
        elif type(outcome) is Refused:
            result = _ADD_PERM
        self._say(self._open.popleft(), _ACCEPTED, _AUTH_NONE, 0, _SUCCESS, result)

    def _say(self, xid: int, *body: int) -> None:
        message = words(xid, _REPLY, *body)
        self.said += message if self._records is None else marked(message)


def _accepted(why: str, *body: int) -> _RefusedError:
    """An error of the program, and not of RPC itself."""
    return _RefusedError(why, _ACCEPTED, _AUTH_NONE, 0, *body)


def _pass_over_auth(call: Reader) -> None:
    """Skip credential and verifier. RPC's own error where they are too long, or of a kind that
    would need a verifier from us."""
    for wrong in (_AUTH_BADCRED, _AUTH_BADVERF):
        flavor, length = call.word(), call.word()
        if length > _LONGEST_AUTH:
            raise _RefusedError(f"{length} bytes of credential", _DENIED, _AUTH_ERROR, wrong)
        if flavor not in (_AUTH_NONE, _AUTH_SYS):
            raise _RefusedError(
                f"credential of flavor {flavor}", _DENIED, _AUTH_ERROR, _AUTH_REJECTEDCRED
            )
        call.skip(length)


def _bytes_of_chars(argument: bytes) -> bytes:
    """`char[16]` as XDR writes it: a word for each, which is the byte or its sign extension."""
    if len(argument) != 64:
        return argument
    numbers = [int.from_bytes(argument[i : i + 4], "big", signed=True) for i in range(0, 64, 4)]
    if not all(-128 <= number < 256 for number in numbers):
        return b""
    return bytes(number & 0xFF for number in numbers)
