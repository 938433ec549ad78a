"""What stands under a key of the shared store: registers in a msgpack map.

A register is what one host knows first-hand of one right, or when somebody took something back. It
has one writer, who tells it anew whenever it changes, so nothing has to be merged in the store: of
two that meet, the later told stands (`seq`). Whoever reads merges the registers of several hosts by
the law of `core.grants`, which is free of order.

    name      ["g", user, source, host] or ["r", network, user, source] as JSON text
    grant     [seq, end, granted_at, last_login, until, address, older, sessions]
    tombstone [seq, end], seq being the moment up to which all is revoked

`end` is when a register has no meaning any more. Times are seconds on the hosts' common scale, as
doubles; "" stands where there is none.

What comes from the store is checked here: it may be another program's, or a newer poplock's.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from ..core.addresses import Network, client_in
from ..core.errors import StoreError
from ..core.grants import Grant, Key, Proof, Revoked, Session, merged

_pack = msgspec.msgpack.Encoder().encode
_name = msgspec.json.Encoder().encode


class _GrantRegister(msgspec.Struct, array_like=True):
    seq: float
    end: float
    granted_at: float
    last_login: float
    until: float
    address: str
    older: list[Proof]
    sessions: list[Session]


class _Tombstone(msgspec.Struct, array_like=True):
    seq: float
    end: float


_read_map = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_read_name = msgspec.json.Decoder(tuple[str, str, str, str]).decode
_read_grant = msgspec.msgpack.Decoder(_GrantRegister).decode
_read_tombstone = msgspec.msgpack.Decoder(_Tombstone).decode


class Document(NamedTuple):
    """What hosts have told of one network, or of all (`revoked` alone then)."""

    grants: list[Grant]
    revoked: list[Revoked]


class Told(NamedTuple):
    """What one host told of a right; of its tellings the one with the latest `seq` counts."""

    host: str
    seq: float
    grant: Grant


class Register(NamedTuple):
    """A register to be kept: its name, and its packed content."""

    name: str
    content: msgspec.Raw


def grant_register(grant: Grant, host: str, seq: float) -> Register:
    """What `host` knows of a right."""
    name = _name(("g", grant.user, grant.source, host)).decode()
    content = (
        seq,
        grant.expires_at,
        grant.granted_at,
        grant.last_login,
        grant.until,
        grant.client or "",
        grant.older,
        grant.sessions,
    )
    return Register(name, msgspec.Raw(_pack(content)))


def tombstone_register(revoked: Revoked, end: float) -> Register:
    """That what was earned until `revoked.at` is taken back."""
    scope = ("r", revoked.network or "", revoked.user or "", revoked.source or "")
    return Register(_name(scope).decode(), msgspec.Raw(_pack((revoked.at, end))))


def pack(registers: Iterable[Register]) -> bytes:
    """Registers of one key, for the store's script."""
    return _pack(dict(registers))


def read(packed: bytes, network: Network | None) -> Document:
    """Understand what stands under a network's key, or under that of all revocations (None).

    StoreError for what no poplock of this schema wrote.
    """
    told, revoked = read_registers(packed, network)
    if len(told) == 1:  # as nearly always
        return Document([told[0].grant], revoked)
    grants: dict[Key, Grant] = {}
    for _, _, grant in told:
        held = grants.get(grant.key)
        grants[grant.key] = grant if held is None else merged(held, grant)
    return Document(list(grants.values()), revoked)


def read_registers(packed: bytes, network: Network | None) -> tuple[list[Told], list[Revoked]]:
    """The same, each register for itself: to be copied as it stands."""
    try:
        return _registers(_read_map(packed), network)
    except (msgspec.MsgspecError, ValueError) as error:
        raise StoreError(f"not written by poplock, or by a newer one: {error}") from error


def _registers(
    registers: Mapping[str, msgspec.Raw], network: Network | None
) -> tuple[list[Told], list[Revoked]]:
    told: list[Told] = []
    revoked: list[Revoked] = []
    for name, content in registers.items():
        kind, first, second, third = _read_name(name)
        if kind == "g" and network is not None:
            g = _read_grant(content)
            client = g.address or None
            grant = Grant(
                network,
                first,
                second,
                client if client is None else client_in(network, client),
                g.granted_at,
                g.last_login,
                g.until,
                tuple(g.older),
                tuple(g.sessions),
            )
            told.append(Told(third, g.seq, grant))
        elif kind == "r":
            at = _read_tombstone(content).seq
            scope = Network(first) if first else None
            revoked.append(Revoked(scope, second or None, at, third or None))
        else:
            raise ValueError(f"a register of the kind {kind!r}")
    return told, revoked
