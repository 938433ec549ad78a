"""A map that is a cdb: an operator's records, and one for each granted address behind them.

Subclasses say what keys and records look like to their reader.
"""

from collections.abc import Iterable

from ..config.maps import MapSettings
from ..core.addresses import Network
from ..core.clock import Clock
from ..core.grants import Grant
from .cdbfile import CdbImage
from .filemap import Content, FileMap
from .keys import ExactAddresses

Records = list[tuple[bytes, bytes]]


class CdbFileMap(FileMap):
    """The image in memory, and the file that it becomes."""

    def __init__(self, settings: MapSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._static: dict[bytes, bytes] = {}
        self._image = CdbImage()
        self._addresses = ExactAddresses()

    def _static_records(self) -> Records:
        """The operator's own records; MapError where they can't be read."""
        return []

    def _records_left(self) -> Records:
        """What is left when all grants are taken out, whatever can be read."""
        return []

    def _key(self, address: str) -> bytes:
        raise NotImplementedError

    def _data(self, key: bytes, grant: Grant) -> bytes | None:
        """The record of a grant; None where it must not have one."""
        raise NotImplementedError

    def replace_all(self, grants: Iterable[Grant]) -> None:
        records = self._static_records()
        static: dict[bytes, bytes] = {}
        for key, data in records:
            static.setdefault(key, data)  # readers take the first of equal keys
        with self._lock:
            self._static, self._image = static, CdbImage(records)
            self._addresses.clear()
            self._changed = True
        self.update((grant.network, grant) for grant in grants)

    def update(self, changed: Iterable[tuple[Network, Grant | None]]) -> None:
        with self._lock:
            for network, grant in changed:
                old, new = self._addresses.change(network, grant)
                old_key = None if old is None else self._key(old)
                self._put(old_key, None if new is None else self._key(new), grant)
            if self._image.wasteful:
                self._image = CdbImage(list(self._image.records()))

    def _put(self, old: bytes | None, key: bytes | None, grant: Grant | None) -> None:
        image = self._image
        data = None if key is None or grant is None else self._data(key, grant)
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

    def _content(self) -> Content:
        return self._image.snapshot().parts

    def clear(self) -> None:
        records = self._records_left()
        with self._lock:
            self._image = CdbImage(records)
            self._addresses.clear()
            content = self._content()
        self._empty(content)
