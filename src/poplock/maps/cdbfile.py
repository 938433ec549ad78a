"""The format of a constant database, and an image of one in memory that changes cheaply.

A cdb is written whole, but most of it is the same as the last time. Records are only appended, and
of the 256 hash tables only those touched by a change are built again; records that nothing points
to are left out when they outweigh the others. Format: https://cr.yp.to/cdb/cdb.txt
"""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..core.errors import MapError

_HEADER = 2048
_PAIR = struct.Struct("<II")
_LARGEST = 2**32 - 1  # positions are 32-bit


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
