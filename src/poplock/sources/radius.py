"""RADIUS accounting (RFC 2866): an access server says who got which address, and who gave it back.

An Accounting-Request (code 4) in a datagram is answered by an Accounting-Response (5) once what it
says is on disk. What is wrong or isn't kept gets no answer, as RFC 2866 wants: the client will send
it again, or ask another server.

| Acct-Status-Type | what it becomes |
|---|---|
| Start | a login from each address it names; where it names none, an Interim will |
| Interim-Update | the same, of when the session began: it is still open |
| Stop | the end of that session; its addresses are given back |
| Accounting-On, Accounting-Off | the end of all sessions of that access server |
| others | answered, and nothing more |

Addresses: Framed-IP-Address and the first three of Framed-IPv6-Address and Framed-IPv6-Prefix. An
address within a prefix stands for both. Of a prefix shorter than `policy.ipv6_prefix` only the
first network is opened. A session is told apart by the client that sent it, the access server
(NAS-IP-Address, NAS-IPv6-Address or NAS-Identifier, the first that is there) and Acct-Session-Id.

Time: an event is as old as Event-Timestamp and Acct-Delay-Time say, the older of both, so what was
held back on the way earns no more than it had. A server whose clock stands before 2000 has none. A
session began Acct-Session-Time before its Interim. That is cut to seconds, so a second earlier
still: an Interim is not to bring back what was revoked in the session's first second. Without that
attribute an Interim is a login of its own.
Limits: 4096 bytes (RFC 2865), 200 attributes.
Security: each client has a secret. The request authenticator is checked before anything is read,
Message-Authenticator (RFC 3579) too where there is one, both in constant time. Proxy-State is
returned. A request that was kept is answered again without being done again (`Answered`), so a copy
of a Start can't bring back what its Stop ended; where it has an Event-Timestamp it couldn't anyway.
Refused: attributes that stand twice where one counts, a request without Acct-Status-Type, or
without the Acct-Session-Id it needs. A session without a user is answered, and earns nothing.
"""

from collections.abc import Sequence
from hashlib import md5
from hmac import compare_digest, digest
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from math import floor
from pathlib import Path
from urllib.parse import quote_from_bytes

from ..config.sources import RadiusSettings
from ..core.addresses import IPAddress, ip_from_bytes
from ..core.answers import Outcome
from ..core.dialogue import Dialogue, MakeDialogue, Request
from ..core.errors import WireError
from ..core.events import NOW, Event, Login, Logout, Reset
from .intake import Intake
from .peer_files import read_clients

LONGEST_PACKET = 4096
_MOST_ATTRIBUTES = 200  # as FreeRADIUS has it; a real request has twenty
_MOST_ANSWERED = 20_000  # requests remembered, 250 bytes each

_HEADER = 20
_REQUEST, _RESPONSE = 4, 5
_START, _STOP, _INTERIM, _ON, _OFF = 1, 2, 3, 7, 8
_NO_CLOCK = 946_684_800.0  # 2000-01-01

_USER_NAME, _NAS_IP, _FRAMED_IP, _NAS_IDENTIFIER, _PROXY_STATE = 1, 4, 8, 32, 33
_STATUS_TYPE, _DELAY_TIME, _SESSION_ID, _SESSION_TIME, _EVENT_TIMESTAMP = 40, 41, 44, 46, 55
_MESSAGE_AUTHENTICATOR, _NAS_IPV6, _FRAMED_PREFIX, _FRAMED_IPV6 = 80, 95, 97, 168
_LENGTHS = {
    _NAS_IP: 4,
    _FRAMED_IP: 4,
    _STATUS_TYPE: 4,
    _DELAY_TIME: 4,
    _SESSION_TIME: 4,
    _EVENT_TIMESTAMP: 4,
    _MESSAGE_AUTHENTICATOR: 16,
    _NAS_IPV6: 16,
    _FRAMED_IPV6: 16,
}
_READ = {*_LENGTHS, _USER_NAME, _NAS_IDENTIFIER, _SESSION_ID, _FRAMED_PREFIX}
"""What is read, and may therefore stand only once. The rest is passed over."""
_NO_ADDRESS = (IPv4Address("255.255.255.255"), IPv4Address("255.255.255.254"))
"""In Framed-IP-Address: the user, or the access server, chooses (RFC 2865, section 5.8)."""

_SEVERAL = {_FRAMED_PREFIX, _FRAMED_IPV6}
_SLOTS = ("ip", "ipv6", "ipv6b", "ipv6c")
"""An address each, of one session: a grant's session has one address."""

Attributes = dict[int, list[bytes]]


class Answered:
    """The requests that were kept, by what makes each unlike all others; the oldest are let go."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, bytes], None] = {}

    def add(self, client: str, authenticator: bytes) -> None:
        if len(self._seen) >= _MOST_ANSWERED:
            del self._seen[next(iter(self._seen))]
        self._seen[client, authenticator] = None

    def __contains__(self, request: tuple[str, bytes]) -> bool:
        return request in self._seen


def dialogues(settings: RadiusSettings, intake: Intake) -> MakeDialogue:
    """A dialogue for each datagram, with the secret of whoever sent it."""
    clients, answered, clock = read_clients(Path(settings.clients_file)), Answered(), intake.clock

    def make(peer: IPAddress | None, datagram: bool) -> RadiusDialogue:
        secret = None if peer is None else clients.secret(peer)
        return RadiusDialogue(client=str(peer), secret=secret, now=clock.wall(), answered=answered)

    return make


class RadiusDialogue(Dialogue):
    """One datagram of `client`. `secret` None: it isn't listed. `now` is by the wall clock."""

    def __init__(
        self,
        *,
        client: str,
        secret: bytes | None,
        now: float,
        answered: Answered,
        service: str = "radius",
    ) -> None:
        self._client = client
        self._secret = secret
        self._now = now
        self._answered = answered
        self._service = service
        self._open = 0  # events whose outcome is not known yet
        self._kept = True
        self._request = b""
        self._proxy_state = b""

    def receive_data(self, data: bytes) -> Sequence[Request]:
        if not data:  # the end of the datagram
            return ()
        if self._secret is None:
            raise WireError("a client without a secret in clients_file")
        self._request = request = _checked(data, self._secret)
        attributes, self._proxy_state = _attributes(request, self._secret)
        if (self._client, request[4:_HEADER]) in self._answered:
            self._respond()
            return ()
        events = self._events(attributes)
        self._open = len(events)
        if not events:
            self._respond()
        return events

    def _events(self, attributes: Attributes) -> Sequence[Event]:
        """What the request tells."""
        if _STATUS_TYPE not in attributes:
            raise WireError("a request without Acct-Status-Type")
        status = _number(attributes, _STATUS_TYPE)
        time, service = self._time(attributes), self._service
        sessions = f"{self._client}/{_nas(attributes)}/"
        if status in (_ON, _OFF):
            return [Reset(time, None, None, service, session=sessions)]
        if status not in (_START, _STOP, _INTERIM):
            return ()
        if not _only(attributes, _SESSION_ID):
            raise WireError("a request without Acct-Session-Id")
        session = sessions + quote_from_bytes(_only(attributes, _SESSION_ID), safe="")
        if status == _STOP:
            return [
                Logout(time, None, None, service, session=f"{session}/{slot}", released=True)
                for slot in _SLOTS
            ]
        addresses, user = _addresses(attributes), _user(attributes)
        if addresses and not user:
            self._refuse("a session without a User-Name, or one that is not printable")
            return ()
        since = None
        if status == _INTERIM and _SESSION_TIME in attributes:
            # Whole seconds, so that those of one session hardly differ.
            since = floor(min(time, self._now)) - _number(attributes, _SESSION_TIME) - 1.0
        return [
            Login(time, ip, user, service, session=f"{session}/{slot}", since=since)
            for slot, ip in addresses
        ]

    def _time(self, attributes: Attributes) -> float:
        """When it happened."""
        at = self._now - _number(attributes, _DELAY_TIME)
        stamp = float(_number(attributes, _EVENT_TIMESTAMP))
        if stamp >= _NO_CLOCK:
            at = min(at, stamp)
        return at if at < self._now else NOW

    def reply(self, request: Request, outcome: Outcome) -> None:
        self._kept &= outcome is None
        self._open -= 1
        if not self._open and self._kept:
            self._answered.add(self._client, self._request[4:_HEADER])
            self._respond()

    def _respond(self) -> None:
        secret = self._secret or b""
        head = bytes((_RESPONSE, self._request[1]))
        head += (_HEADER + len(self._proxy_state)).to_bytes(2, "big")
        signed = head + self._request[4:_HEADER] + self._proxy_state + secret
        self.said = head + _md5(signed) + self._proxy_state


def _md5(data: bytes) -> bytes:
    """RADIUS knows no other; what it proves, it proves by the secret in it."""
    return md5(data, usedforsecurity=False).digest()


def _checked(data: bytes, secret: bytes) -> bytes:
    """The request without what follows it in the datagram, once its authenticator is right."""
    if len(data) > LONGEST_PACKET:
        raise WireError(f"a datagram of more than {LONGEST_PACKET} bytes")
    if len(data) < _HEADER:
        raise WireError(f"a datagram of {len(data)} bytes, too short for a request")
    length = int.from_bytes(data[2:4], "big")
    if not _HEADER <= length <= len(data):
        raise WireError(f"a datagram of {len(data)} bytes whose header says {length}")
    if data[0] != _REQUEST:
        raise WireError(f"a packet of code {data[0]}, where only Accounting-Request is taken")
    request = data[:length]
    right = _md5(request[:4] + bytes(16) + request[_HEADER:] + secret)
    if not compare_digest(right, request[4:_HEADER]):
        raise WireError("a wrong request authenticator; does the secret agree?")
    return request


def _attributes(request: bytes, secret: bytes) -> tuple[Attributes, bytes]:
    """What is read of the request, and all its Proxy-State as it stands."""
    found: Attributes = {}
    proxy_state = b""
    at, count = _HEADER, 0
    while at < len(request):
        kind = request[at]
        length = request[at + 1] if at + 1 < len(request) else 0
        value = request[at + 2 : at + length]
        count += 1
        if length < 2 or len(value) != length - 2:
            raise WireError(f"attribute {kind} with a wrong length")
        if count > _MOST_ATTRIBUTES:
            raise WireError(f"more than {_MOST_ATTRIBUTES} attributes")
        if kind == _PROXY_STATE:
            proxy_state += request[at : at + length]
        elif kind in _READ:
            if kind in found and kind not in _SEVERAL:
                raise WireError(f"two values of attribute {kind}")
            if len(value) != _LENGTHS.get(kind, len(value)):
                raise WireError(f"attribute {kind} with {len(value)} bytes")
            if kind == _MESSAGE_AUTHENTICATOR:
                _check_message(request, at + 2, secret)
            found.setdefault(kind, []).append(value)
        at += length
    return found, proxy_state


def _check_message(request: bytes, at: int, secret: bytes) -> None:
    """Message-Authenticator stands at `at`; both authenticators count as zeros in it."""
    blank = request[:4] + bytes(16) + request[_HEADER:at] + bytes(16) + request[at + 16 :]
    if not compare_digest(digest(secret, blank, "md5"), request[at : at + 16]):
        raise WireError("a wrong Message-Authenticator")


def _only(attributes: Attributes, kind: int) -> bytes:
    """The value of an attribute; b"" where it is missing."""
    return attributes.get(kind, [b""])[0]


def _number(attributes: Attributes, kind: int) -> int:
    return int.from_bytes(_only(attributes, kind), "big")


def _nas(attributes: Attributes) -> str:
    """The access server, as it calls itself, without a slash."""
    for kind in (_NAS_IP, _NAS_IPV6):
        if kind in attributes:
            return str(ip_from_bytes(_only(attributes, kind)))
    return quote_from_bytes(_only(attributes, _NAS_IDENTIFIER), safe="")


def _user(attributes: Attributes) -> str:
    """The user's name; "" where there is none that could be shown."""
    try:
        user = _only(attributes, _USER_NAME).decode()
    except UnicodeDecodeError:
        return ""
    return user if user.isprintable() else ""


def _addresses(attributes: Attributes) -> list[tuple[str, IPAddress]]:
    """The client's addresses, each with its slot."""
    found: list[tuple[str, IPAddress]] = []
    if _FRAMED_IP in attributes:
        ip = IPv4Address(_only(attributes, _FRAMED_IP))
        if ip not in _NO_ADDRESS:
            found.append((_SLOTS[0], ip))
    addresses = [IPv6Address(value) for value in attributes.get(_FRAMED_IPV6, ())]
    for prefix in map(_prefix, attributes.get(_FRAMED_PREFIX, ())):
        if not any(ip in prefix for ip in addresses):
            addresses.append(prefix.network_address)
    found += zip(_SLOTS[1:], addresses, strict=False)
    return found


def _prefix(value: bytes) -> IPv6Network:
    """A reserved byte, the length in bits, and as many bytes as these take (RFC 3162)."""
    if not 2 <= len(value) <= 18:
        raise WireError(f"a Framed-IPv6-Prefix of {len(value)} bytes")
    bits, packed = value[1], value[2:].ljust(16, b"\0")
    if bits > 128 or (len(value) - 2) * 8 < bits:
        raise WireError(f"a Framed-IPv6-Prefix of {bits} bits in {len(value) - 2} bytes")
    return IPv6Network((packed, bits), strict=False)
