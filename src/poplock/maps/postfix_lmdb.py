"""What `lmdb:` of Postfix reads, as postmap(1) makes it.

Key and value end in a NUL, as postmap's do; the key is the exact address (see `address_cdb`). The
file stays in place, because Postfix doesn't look whether another stands there: each change is a
transaction in it, and the next look-up sees it.

Postfix locks the file as a whole by fcntl(2), shared for a look-up, and not with LMDB's own lock;
so do we, exclusively for a transaction. A writer with LMDB's lock alone would take pages away from
under a reader.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.maps import PostfixLmdbSettings
from ..core.addresses import Network
from ..core.clock import Clock
from ..core.errors import ConfigError, MapError
from ..core.grants import Grant
from .keys import ExactAddresses
from .publish import give

if TYPE_CHECKING:
    import lmdb

_OK = b"OK\0"
_SIZE = 16_777_216  # bytes that the file may have at first, as Postfix's lmdb_map_size
_PATIENCE = 5.0  # seconds for readers to let go of the file; a look-up takes microseconds


class PostfixLmdbMap:
    """Addresses that may relay, in one LMDB file."""

    def __init__(self, settings: PostfixLmdbSettings, clock: Clock) -> None:
        try:
            import lmdb
        except ImportError as error:
            raise ConfigError(
                "a map of type postfix_lmdb needs the Python package lmdb:"
                " pip install 'smtp-poplock[lmdb]'"
            ) from error
        self._lmdb = lmdb
        self._settings = settings
        self._clock = clock
        self._path = Path(settings.path)
        self._lock = threading.Lock()
        self._addresses = ExactAddresses()
        self._keys: set[str] = set()
        self._waiting: dict[str, bool] = {}  # key -> whether it is to be there
        self._anew = True
        self._env: lmdb.Environment | None = None
        self._file = -1
        self._size = _SIZE

    def replace_all(self, grants: Iterable[Grant]) -> None:
        with self._lock:
            self._addresses.clear()
            self._keys.clear()
            self._anew = True
        self.update((grant.network, grant) for grant in grants)

    def update(self, changed: Iterable[tuple[Network, Grant | None]]) -> None:
        with self._lock:
            for network, grant in changed:
                old, new = self._addresses.change(network, grant)
                if old is not None and old != new and old in self._keys:
                    self._keys.discard(old)
                    self._waiting[old] = False
                if new is not None and new not in self._keys:
                    self._keys.add(new)
                    self._waiting[new] = True

    def renew(self) -> None:
        """Ends have no place here."""

    def publish(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            anew, self._anew = self._anew, False
            keys = set(self._keys) if anew else None
        if not anew and not waiting and self._stands():
            return
        try:
            self._write(waiting, keys)
        except (MapError, OSError, self._lmdb.Error) as error:
            self._close()
            with self._lock:
                self._anew = True
            if isinstance(error, MapError):
                raise
            raise MapError(f"cannot write the map {self._path}: {error}") from error

    def clear(self) -> None:
        with self._lock:
            self._addresses.clear()
            self._keys.clear()
            self._waiting.clear()
            self._anew = True
        try:
            self.publish()
        except MapError as error:
            if not isinstance(error.__cause__, self._lmdb.DiskError):
                raise
            # A transaction needs pages, even one that takes everything out. A new file needs fewer,
            # and each smtpd has it at the latest when it ends (max_idle, max_use).
            self._path.unlink(missing_ok=True)
            self.publish()
        self._close()

    def _write(self, waiting: dict[str, bool], keys: set[str] | None) -> None:
        if not self._stands():
            self._open()
            with self._lock:
                keys = set(self._keys)
        assert self._env is not None  # noqa: S101  just opened
        self._lock_file()
        try:
            while True:
                try:
                    self._transact(self._env, waiting, keys)
                    return
                except self._lmdb.MapFullError:
                    self._size *= 2
                    self._env.set_mapsize(self._size)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    @staticmethod
    def _transact(env: "lmdb.Environment", waiting: dict[str, bool], keys: set[str] | None) -> None:
        with env.begin(write=True) as transaction:
            if keys is not None:
                transaction.drop(env.open_db(txn=transaction), delete=False)
                waiting = dict.fromkeys(keys, True)
            for key, there in waiting.items():
                name = key.encode() + b"\0"
                if there:
                    transaction.put(name, _OK)
                else:
                    transaction.delete(name)

    def _stands(self) -> bool:
        """Whether the file that we have open is still the one at the path."""
        if self._env is None:
            return False
        try:
            there, ours = self._path.stat(), os.fstat(self._file)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def _open(self) -> None:
        self._close()
        before = os.umask(0o077)
        try:
            # One more descriptor, kept as long as the other: closing any would drop our locks.
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._lock_file()
            self._size = max(self._size, os.fstat(self._file).st_size)
            self._env = self._lmdb.open(
                str(self._path), subdir=False, lock=False, map_size=self._size, mode=0o600
            )
            give(self._file, mode=int(self._settings.mode, 8), group=self._settings.group)
        finally:
            os.umask(before)

    def _lock_file(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except (BlockingIOError, PermissionError):
                if time.monotonic() > deadline:
                    raise MapError(
                        f"cannot write the map {self._path}: a reader has held it locked for"
                        f" {_PATIENCE:.0f} s"
                    ) from None
                time.sleep(0.001)

    def _close(self) -> None:
        if self._env is not None:
            self._env.close()
            self._env = None
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
