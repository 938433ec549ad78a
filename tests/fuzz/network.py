"""WHOSON, DRAC and RADIUS: whatever the bytes are, the dialogue says so or understands them.

Inputs are real requests, mutated (bytes flipped, cut out, doubled, put in from other requests,
numbers set to their edges), and plain random bytes. Of each: nothing but WireError gets out; what
is understood is an address and a user fit to be shown; the replies have the protocol's form. RADIUS
requests are signed after the mutation, or all would end at the authenticator; one in eight is not,
and then nothing may be understood of it.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import md5
from ipaddress import IPv4Address, IPv6Address, ip_address
from random import Random

from poplock.answers.whoson import WhosonDialogue
from poplock.core.answers import NoOpinion, Outcome, Permit, Query, Refused, Unavailable
from poplock.core.dialogue import Dialogue, Request
from poplock.core.errors import WireError
from poplock.core.events import Login, Logout, Reset
from poplock.core.grants import Grant
from poplock.sources.drac import DracDialogue
from poplock.sources.radius import Answered, RadiusDialogue

_OUTCOMES: Sequence[Outcome] = (None, None, Unavailable("disk full"), Refused("not listed"))
_ANSWERS: Sequence[Outcome] = (
    NoOpinion("no grant"),
    Unavailable("disk full"),
    Refused("not listed"),
    Permit(Grant("203.0.113.9/32", "a\r\nb", "log", None, 0.0, 0.0, 1.0)),  # type: ignore[arg-type]
)
_EDGES = (b"\0", b"\xff", b"\x7f", b"\x80", b"\r", b"\n", b" ", b"\0\0\0\0", b"\xff\xff\xff\xff")
SECRET = b"a secret"


def whoson(random: Random, count: int) -> None:
    seeds = [
        b"QUERY 203.0.113.9\r\n\r\n",
        b"LOGIN 203.0.113.9 ann@example.org\r\n\r\n",
        b"LOGIN 2001:db8::1\n\n",
        b"LOGOUT ::ffff:203.0.113.9\n\nQUIT\r\n\r\n",
        b"LOGIN 203.0.113.9 " + "jörg".encode() + b"\n\nQUERY 203.0.113.10\n\n",
    ]
    for data, datagram in _inputs(random, count, seeds):
        talk = WhosonDialogue(datagram=datagram)
        requests, said = _converse(random, talk, data)
        for request in requests:
            if isinstance(request, Query):
                ip_address(request.client)
        lines = said.split(b"\r\n\r\n")
        assert lines.pop() == b"", (data, said)
        assert all(line[:1] in b"+-*" and line and b"\n" not in line for line in lines), (
            data,
            said,
        )
        assert len(lines) >= len(requests), (data, said)


def drac(random: Random, count: int) -> None:
    head = bytes.fromhex("0badcafe 00000000 00000002 000dbc05")
    auth = bytes(16)
    sys = bytes.fromhex("00000001 00000008 0102030405060708 00000000 00000000")
    calls = [
        head + bytes.fromhex("00000001 00000001") + auth + b"\xcb\x00\x71\x09",
        head + bytes.fromhex("00000002 00000001") + sys + IPv6Address("2001:db8::9").packed,
        head + bytes.fromhex("00000002 00000001") + auth + bytes(63) + b"\x07",
        head + bytes.fromhex("00000001 00000000") + auth,
    ]
    marked = [(0x80000000 | len(call)).to_bytes(4, "big") + call for call in calls]
    for data, datagram in _inputs(random, count, calls, [*marked, marked[0] + marked[1]]):
        talk = DracDialogue(datagram=datagram)
        requests, said = _converse(random, talk, data)
        replies = [said] if datagram and said else [] if datagram else _records(said)
        assert all(len(r) % 4 == 0 and 20 <= len(r) <= 40 for r in replies), (data, said)
        assert all(r[4:8] == b"\0\0\0\1" for r in replies), (data, said)
        assert len(replies) >= len(requests), (data, said)


def radius(random: Random, count: int) -> None:
    ann = b"\x01\x05ann" + b"\x2c\x0612ab" + b"\x04\x06\xc0\0\2\1"
    bodies = [
        b"\x28\x06\0\0\0\1" + ann + b"\x08\x06\xcb\0\x71\x09",
        b"\x28\x06\0\0\0\3" + ann + b"\xa8\x12" + IPv6Address("2001:db8::9").packed + b"\x21\x03s",
        b"\x28\x06\0\0\0\3" + ann + b"\x61\x0c\0\x40" + bytes(8) + b"\x37\x06\x6a\xb0\0\0",
        b"\x28\x06\0\0\0\2" + ann + b"\x29\x06\0\0\0\x09",
        b"\x28\x06\0\0\0\7" + b"\x20\x05nas",
    ]
    answered = Answered()
    for body, _ in _inputs(random, count, bodies):
        signed = random.getrandbits(3) != 0
        data = body if not random.getrandbits(5) else _request(random, body, signed)
        talk = RadiusDialogue(client="192.0.2.1", secret=SECRET, now=1.8e9, answered=answered)
        requests, said = _converse(random, talk, data)
        assert signed or not requests, data
        if said:
            assert int.from_bytes(said[2:4], "big") == len(said), (data, said)
            right = md5(said[:4] + data[4:20] + said[20:] + SECRET).digest()
            assert said[0] == 5 and said[1] == data[1] and said[4:20] == right, (data, said)


def _request(random: Random, body: bytes, signed: bool) -> bytes:
    """An Accounting-Request with this body; its length is now and then a lie."""
    length = 20 + len(body) if random.getrandbits(4) else random.getrandbits(16)
    head = bytes((4, random.getrandbits(8))) + (length & 0xFFFF).to_bytes(2, "big")
    known = body[: max(0, length - 20)]
    secret = SECRET if signed else b"another secret"
    return head + md5(head + bytes(16) + known + secret).digest() + body


def _inputs(
    random: Random, count: int, seeds: list[bytes], streams: list[bytes] | None = None
) -> Iterator[tuple[bytes, bool]]:
    """`count` inputs, and whether each is a datagram; `streams` are the seeds on a connection."""
    both = ((streams or seeds), seeds)
    for _ in range(count):
        datagram = random.getrandbits(1)
        if random.getrandbits(4):
            yield _mutated(random, both[datagram]), bool(datagram)
        else:
            yield random.randbytes(random.getrandbits(7)), bool(datagram)


def _mutated(random: Random, seeds: list[bytes]) -> bytes:
    """A real request, changed in a few places."""
    data = seeds[int(random.random() * len(seeds))]
    for _ in range(1 + random.getrandbits(2)):
        at = int(random.random() * (len(data) + 1))
        match random.getrandbits(3):
            case 0 | 1:
                data = data[:at] + random.randbytes(1) + data[at + 1 :]
            case 2:
                data = data[:at] + _EDGES[int(random.random() * len(_EDGES))] + data[at + 1 :]
            case 3:
                edge = _EDGES[int(random.random() * len(_EDGES))]
                data = data[:at] + edge + data[at + len(edge) :]
            case 4:
                data = data[:at] + data[at + 1 + random.getrandbits(3) :]
            case 5:
                data = data[:at]
            case 6:
                data = data[:at] + data[at // 2 :]
            case _:
                other = seeds[int(random.random() * len(seeds))]
                data = data[:at] + other[int(random.random() * len(other)) :]
    return data


def _converse(random: Random, talk: Dialogue, data: bytes) -> tuple[Sequence[Request], bytes]:
    """Give `data` to the dialogue and have every request answered; what it understood and said."""
    requests: Sequence[Request] = ()
    with suppress(WireError):
        requests = talk.receive_data(data)
    for request in requests:
        outcomes = _ANSWERS if isinstance(request, Query) else _OUTCOMES
        talk.reply(request, outcomes[random.getrandbits(2)])
        if isinstance(request, Login):
            assert isinstance(request.ip, IPv4Address | IPv6Address), (data, request)
            user = request.user
            assert user and len(user) <= 255 and user.isprintable(), (data, request)
        else:
            assert isinstance(request, Query | Logout | Reset), (data, request)
    return requests, talk.data_to_send()


def _records(said: bytes) -> list[bytes]:
    """The records of a stream, each in one fragment."""
    found = []
    while said:
        length = int.from_bytes(said[:4], "big") - 0x80000000
        assert 0 < length <= len(said) - 4, said
        found.append(said[4 : 4 + length])
        said = said[4 + length :]
    return found
