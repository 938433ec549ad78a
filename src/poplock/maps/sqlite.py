"""An SQLite file with each grant's end in its row: Postfix, Exim and OpenSMTPD can query it.

    CREATE TABLE relay (ip TEXT PRIMARY KEY, network TEXT, user TEXT, expires INTEGER)

`expires` is in seconds of the epoch, so a query of the form

    SELECT user FROM relay WHERE ip = '...' AND expires > CAST(strftime('%s', 'now') AS INTEGER)

needs no sweep: a dead daemon's word ends by itself. The key is the exact address, IPv6 compressed
and in lower case; for IPv6 it is the one that logged in.

It is a copy for readers, never the live database: Postfix ends its smtpd when SQLite says "locked",
and a chrooted one can't read a WAL at all. The copy is made in memory, written beside and put in
place by rename, in rollback mode, with no writer.

A reader that keeps the file open would go on with the old one, so it is told. Postfix by `stamp`,
an empty cdb that is replaced behind each writing: an smtpd that has a cdb open ends before its next
session when that has changed, and its successor opens all its tables anew. Others by the program
`after` (`maps.after`).
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from ..config.maps import SqliteSettings
from ..core.addresses import Network
from ..core.clock import Clock, ahead_of_wall, to_wall
from ..core.grants import Grant
from .after import run_after
from .cdbfile import CdbImage
from .filemap import Content, FileMap
from .keys import ExactAddresses
from .publish import publish

_SCHEMA = """
    CREATE TABLE relay (ip TEXT PRIMARY KEY, network TEXT NOT NULL, user TEXT NOT NULL,
        expires INTEGER NOT NULL) WITHOUT ROWID
"""
_STAMP = CdbImage().snapshot().parts()
_REMADE = 0.5  # of a lease: when a row's end is prolonged


class SqliteMap(FileMap):
    """The copy in memory and the file that it becomes."""

    def __init__(self, settings: SqliteSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._settings: SqliteSettings = settings
        self._db = _empty()
        self._addresses = ExactAddresses()
        self._leased: dict[Network, tuple[Grant, float]] = {}  # rows that end before their grant
        self._ahead = ahead_of_wall(clock)

    def replace_all(self, grants: Iterable[Grant]) -> None:
        with self._lock:
            self._db.execute("DELETE FROM relay")
            self._addresses.clear()
            self._leased.clear()
            self._ahead = ahead_of_wall(self._clock)
            self._changed = True
        self.update((grant.network, grant) for grant in grants)

    def update(self, changed: Iterable[tuple[Network, Grant | None]]) -> None:
        lease_ends = self._clock.now() + self._settings.lease
        with self._lock:
            for network, grant in changed:
                old, new = self._addresses.change(network, grant)
                self._leased.pop(network, None)
                if old is not None and old != new:
                    self._db.execute("DELETE FROM relay WHERE ip = ?", (old,))
                if grant is not None:
                    end = min(grant.expires_at, lease_ends)
                    if end < grant.expires_at:
                        self._leased[network] = grant, end
                    row = (new, network, grant.user, int(to_wall(self._clock, end)))
                    self._db.execute("REPLACE INTO relay VALUES (?, ?, ?, ?)", row)
                self._changed = True

    def renew(self) -> None:
        """Prolong the rows whose lease is half over; all of them if the wall clock was set back."""
        ahead = ahead_of_wall(self._clock)
        half = self._clock.now() + self._settings.lease * _REMADE
        if ahead != self._ahead:
            with self._lock:
                self._db.execute(
                    "UPDATE relay SET expires = CAST(expires - ? AS INTEGER)",
                    (ahead - self._ahead,),
                )
                self._changed = True
            self._ahead = ahead
        self.update([(n, grant) for n, (grant, end) in list(self._leased.items()) if end < half])

    def _content(self) -> Content:
        image = self._db.serialize()
        return lambda: [image]

    def clear(self) -> None:
        self._empty(lambda: [_empty().serialize()])

    def _write(self, content: Content) -> None:
        super()._write(content)
        settings = self._settings
        if settings.stamp is not None:
            mode = int(settings.mode, 8)
            publish(Path(settings.stamp), _STAMP, mode=mode, group=settings.group)
        run_after(settings.after, self._path)


def _empty() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.execute(_SCHEMA)
    return db
