"""The constant database that `tcpserver -x` reads: the operator's rules and the grants.

A grant's record is what tcpserver would have found for that address anyway (the operator's
variables for its network), then RELAYCLIENT and POPLOCK_USER. Where the operator's rule denies the
address, or names exactly that address, the operator's word stands and there is no grant's record.

tcpserver looks IPv6 up by its exact text only, so an IPv6 grant is published for the address of the
last login, not for its network.

A cdb is written whole, but most of it is the same as the last time. Records are only appended, and
of the 256 hash tables only those touched by a change are built again; records that nothing points
to are left out when they outweigh the others. Format: https://cr.yp.to/cdb/cdb.txt
"""

import struct
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from ..core.addresses import Network
from ..core.clock import Clock
from ..core.errors import MapError
from ..core.grants import Grant
from ..core.table import GrantTable
from .publish import publish
from .tcprules import DENY, read_rules, rule_for

_HEADER = 2048
_PAIR = struct.Struct("<II")
_LARGEST = 2**32 - 1  # positions are 32-bit
_OURS = b"+POPLOCK_USER="


class CdbSettings(
    Struct, tag="cdb", tag_field="type", forbid_unknown_fields=True, kw_only=True, frozen=True
):
    """A cdb for `tcpserver -x`."""

    path: str
    static: str | None = None
    relayclient: str = ""
    rblsmtpd: bool = True
    group: str | None = None
    mode: str = "0644"


def cdb_hash(key: bytes) -> int:
    h = 5381
    for byte in key:
        h = ((h << 5) + h & 0xFFFFFFFF) ^ byte
    return h


class CdbImage:
    """A cdb in memory that changes cheaply."""

    def __init__(self, records: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self._base = b""
        self._tail = bytearray()
        self._dead = 0
        # Of each table: its entries (hash, position) in the order of insertion, and its slots.
        self._entries = [bytearray() for _ in range(256)]
        self._slots = [b""] * 256
        self._stale: set[int] = set()
        for key, data in records:
            self.add(key, data)

    def add(self, key: bytes, data: bytes) -> None:
        """Add a record behind those with the same key."""
        h = cdb_hash(key)
        position = _HEADER + len(self._base) + len(self._tail)
        self._entries[h & 255] += _PAIR.pack(h, position)
        self._tail += _PAIR.pack(len(key), len(data)) + key + data
        self._stale.add(h & 255)

    def get(self, key: bytes) -> bytes | None:
        """The first record with this key."""
        found = self._find(key)
        return None if found is None else self._read(found[1])[1]

    def remove(self, key: bytes) -> None:
        """Take out the first record with this key, if there is one."""
        found = self._find(key)
        if found is not None:
            index, position = found
            table = cdb_hash(key) & 255
            del self._entries[table][index : index + 8]
            self._stale.add(table)
            self._dead += 8 + sum(map(len, self._read(position)))

    def _find(self, key: bytes) -> tuple[int, int] | None:
        """Index in its table's entries, and position, of the first record with this key."""
        h = cdb_hash(key)
        entries = self._entries[h & 255]
        wanted = h.to_bytes(4, "little")
        index = entries.find(wanted)
        while index >= 0:
            if index % 8 == 0:
                _, position = _PAIR.unpack_from(entries, index)
                if self._read(position)[0] == key:
                    return index, position
            index = entries.find(wanted, index + 1)
        return None

    def _read(self, position: int) -> tuple[bytes, bytes]:
        offset = position - _HEADER
        data: bytes | bytearray = self._base
        if offset >= len(data):
            offset -= len(data)
            data = self._tail
        key_size, data_size = _PAIR.unpack_from(data, offset)
        start = offset + 8
        middle = start + key_size
        return bytes(data[start:middle]), bytes(data[middle : middle + data_size])

    @property
    def wasteful(self) -> bool:
        """Whether dead records outweigh the live ones."""
        return self._dead > 65_536 and self._dead * 2 > len(self._base) + len(self._tail)

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """All live records, in the order of the file."""
        positions = [
            position for table in self._entries for _, position in _PAIR.iter_unpack(table)
        ]
        for position in sorted(positions):
            yield self._read(position)

    def snapshot(self) -> "Snapshot":
        """What `Snapshot.parts` needs, copied; cheap."""
        if len(self._tail) > 1_000_000:
            self._base += bytes(self._tail)
            self._tail.clear()
        stale, self._stale = self._stale, set()
        return Snapshot(
            (self._base, bytes(self._tail)),
            self._slots,
            {table: bytes(self._entries[table]) for table in stale},
        )


class Snapshot:
    """A cdb's content at one moment; made in the event loop, turned into bytes elsewhere."""

    def __init__(
        self, records: tuple[bytes, bytes], slots: list[bytes], stale: dict[int, bytes]
    ) -> None:
        self._records = records
        self._slots = slots
        self._stale = stale

    def parts(self) -> list[bytes]:
        """The file, in pieces. Builds the tables that have changed."""
        for table, entries in self._stale.items():
            self._slots[table] = _table(entries)
        position = _HEADER + sum(map(len, self._records))
        header = bytearray()
        for slots in self._slots:
            header += _PAIR.pack(position, len(slots) // 8)
            position += len(slots)
        if position > _LARGEST:
            raise MapError("a cdb can have 4 GiB at most")
        return [bytes(header), *self._records, b"".join(self._slots)]


def _table(entries: bytes) -> bytes:
    """The open hash table of these entries: twice as many slots, linear probing."""
    count = len(entries) // 8 * 2
    slots: list[bytes | None] = [None] * count
    for i in range(0, len(entries), 8):
        entry = entries[i : i + 8]
        slot = (int.from_bytes(entry[:4], "little") >> 8) % count
        while slots[slot] is not None:
            slot = slot + 1 if slot + 1 < count else 0
        slots[slot] = entry
    return b"".join(b"\0\0\0\0\0\0\0\0" if s is None else s for s in slots)


def read_cdb(path: Path) -> list[tuple[bytes, bytes]]:
    """All records of a cdb file in their order; MapError if it isn't one."""
    try:
        data = path.read_bytes()
        end = _PAIR.unpack_from(data, 0)[0]
        # By the tables: the file also holds records that nothing points to any more.
        slots = _PAIR.iter_unpack(data[end : len(data) - (len(data) - end) % 8])
        found = []
        for position in sorted(position for _, position in slots if position):
            key_size, data_size = _PAIR.unpack_from(data, position)
            middle = position + 8 + key_size
            found.append((data[position + 8 : middle], data[middle : middle + data_size]))
    except OSError as error:
        raise MapError(f"cannot read the cdb {path}: {error.strerror}") from error
    except struct.error:
        raise MapError(f"{path} is no cdb") from None
    return found


class CdbMap:
    """The operator's rules and the grants, as one cdb."""

    def __init__(self, settings: CdbSettings, clock: Clock) -> None:
        self._path = Path(settings.path)
        self._static_path = None if settings.static is None else Path(settings.static)
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._static: dict[bytes, bytes] = {}
        self._image = CdbImage()
        self._addresses: dict[Network, bytes] = {}  # IPv6: the address a network is published by
        self._changed = True
        relay = f"+RELAYCLIENT={settings.relayclient}\0".encode()
        self._relay = relay + (b"+RBLSMTPD=\0" if settings.rblsmtpd else b"")

    def replace_all(self, table: GrantTable) -> None:
        records = [] if self._static_path is None else read_rules(self._static_path)
        static: dict[bytes, bytes] = {}
        for key, data in records:
            static.setdefault(key, data)  # tcpserver takes the first of equal keys
        with self._lock:
            self._static, self._image = static, CdbImage(records)
            self._addresses.clear()
            self._changed = True
        now = self._clock.now()
        self.update((grant.network, grant) for grant in table.longest(now))

    def update(self, changed: Iterable[tuple[Network, Grant | None]]) -> None:
        with self._lock:
            for network, grant in changed:
                old = self._key(network)
                if grant is not None and ":" in network:
                    self._addresses[network] = grant.address.encode()
                elif grant is None:
                    self._addresses.pop(network, None)
                self._put(old, None if grant is None else self._key(network), grant)
            if self._image.wasteful:
                self._image = CdbImage(list(self._image.records()))

    def _key(self, network: Network) -> bytes | None:
        if ":" in network:
            return self._addresses.get(network)
        return network.removesuffix("/32").encode()

    def _put(self, old: bytes | None, key: bytes | None, grant: Grant | None) -> None:
        image = self._image
        data = None
        if key is not None and grant is not None:
            data = self._data(key, grant)
        if old is not None and old not in self._static:
            held = image.get(old)
            if held is not None and (old != key or held != data):
                image.remove(old)
                self._changed = True
            elif held is not None:
                return
        if key is not None and data is not None:
            image.add(key, data)
            self._changed = True

    def _data(self, key: bytes, grant: Grant) -> bytes | None:
        """The record of a grant; None where the operator's rules say otherwise."""
        rule = rule_for(key, self._static)
        if key in self._static or rule.startswith(DENY):
            return None
        user = "".join(c for c in grant.user if c.isprintable())
        return rule + self._relay + _OURS + user.encode() + b"\0"

    def renew(self) -> None:
        """A cdb has no ends in it that could be renewed."""

    def publish(self) -> None:
        with self._lock:
            if not self._changed:
                return
            self._changed = False
            snapshot = self._image.snapshot()
        try:
            self._publish(snapshot)
        except MapError:
            self._changed = True
            raise

    def _publish(self, snapshot: Snapshot) -> None:
        mode = int(self._settings.mode, 8)
        publish(self._path, snapshot.parts(), mode=mode, group=self._settings.group)

    def clear(self) -> None:
        try:
            records = [] if self._static_path is None else read_rules(self._static_path)
        except MapError:
            # Better the operator's rules of the last time than none: they may deny somebody.
            found = read_cdb(self._path)
            records = [(key, data) for key, data in found if _OURS not in data]
        with self._lock:
            self._image = CdbImage(records)
            self._addresses.clear()
            snapshot = self._image.snapshot()
        self._publish(snapshot)
