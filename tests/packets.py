"""Calls of DRAC and requests of RADIUS, made from their RFCs and without any code of poplock's."""

import hashlib
import hmac
import struct

XID = 0x1234ABCD
NO_AUTH = struct.pack(">4I", 0, 0, 0, 0)


def call(
    argument: bytes,
    *,
    rpc: int = 2,
    program: int = 900101,
    version: int = 1,
    procedure: int = 1,
    auth: bytes = NO_AUTH,
    kind: int = 0,
) -> bytes:
    """A call of DRAC, as in RFC 5531."""
    return struct.pack(">6I", XID, kind, rpc, program, version, procedure) + auth + argument


def chars(data: bytes, signed: bool = True) -> bytes:
    """`char[16]`, as rpcgen's code writes it on a machine with signed, or unsigned, chars."""
    return b"".join(struct.pack(">i", b - 256 if signed and b > 127 else b) for b in data)


def marked(*fragments: bytes) -> bytes:
    """A record in fragments, as RPC has it on a stream."""
    heads = [len(f) for f in fragments]
    heads[-1] |= 1 << 31
    return b"".join(struct.pack(">I", h) + f for h, f in zip(heads, fragments, strict=True))


SECRET = b"xyzzy"
USER, NAS_IP, FRAMED_IP, NAS_ID, PROXY_STATE, STATUS, DELAY = 1, 4, 8, 32, 33, 40, 41
SESSION, SESSION_TIME, STAMP = 44, 46, 55
MESSAGE_AUTHENTICATOR, PREFIX, FRAMED_IPV6 = 80, 97, 168
START, STOP, INTERIM, ON, OFF = 1, 2, 3, 7, 8

Pair = tuple[int, bytes]


def word(number: int) -> bytes:
    return struct.pack(">I", number)


def status(number: int) -> Pair:
    """Acct-Status-Type."""
    return (STATUS, word(number))


ANN = ((USER, b"ann@example.org"), (SESSION, b"5F-01"), (NAS_IP, bytes((192, 0, 2, 1))))
ADDRESS = (FRAMED_IP, bytes((203, 0, 113, 9)))


def accounting(
    *pairs: Pair,
    secret: bytes = SECRET,
    code: int = 4,
    identifier: int = 7,
    sign: bool = False,
) -> bytes:
    """An Accounting-Request, as in RFC 2866; `sign`: with a Message-Authenticator at its end."""
    if sign:
        pairs = (*pairs, (MESSAGE_AUTHENTICATOR, bytes(16)))
    body = b"".join(bytes((kind, 2 + len(value))) + value for kind, value in pairs)
    head = struct.pack(">BBH", code, identifier, 20 + len(body))
    if sign:
        body = body[:-16] + hmac.digest(secret, head + bytes(16) + body, "md5")
    return head + hashlib.md5(head + bytes(16) + body + secret).digest() + body


def response_is_right(reply: bytes, request: bytes) -> bool:
    """Whether this is the Accounting-Response to that request."""
    signed = reply[:4] + request[4:20] + reply[20:] + SECRET
    return reply[4:20] == hashlib.md5(signed).digest() and reply[:2] == b"\x05" + request[1:2]
