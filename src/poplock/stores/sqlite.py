"""Grants in one SQLite file.

The daemon is the only writer (a lock file beside the database says so) and answers from memory;
this file is what it starts from after a crash. WAL with `synchronous=FULL`: when a commit returns,
the batch is on disk. Times are on poplock's scale, the history's by the wall clock.

A file that is not ours is refused before anything is written to it.
"""

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..core.addresses import Network, client_in
from ..core.clock import Mark
from ..core.errors import StoreError
from ..core.grants import Grant, Proof, Revoked, Session
from . import Batch, Deed

APPLICATION_ID = 0x504F504C  # "POPL" (PRAGMA application_id), so that file(1) and we know it

# One step a schema version, never changed afterwards; a file goes through those it lacks.
MIGRATIONS = (
    """
    CREATE TABLE mark (one INTEGER PRIMARY KEY CHECK (one = 1),
        boot_id TEXT NOT NULL, uptime REAL NOT NULL, now REAL NOT NULL);
    CREATE TABLE "grant" (network TEXT NOT NULL, user TEXT NOT NULL, source TEXT NOT NULL,
        address TEXT NOT NULL, granted_at REAL NOT NULL, last_login REAL NOT NULL,
        until REAL NOT NULL, older TEXT, sessions TEXT,
        PRIMARY KEY (network, user, source)) WITHOUT ROWID;
    CREATE TABLE revoked (network TEXT NOT NULL, user TEXT NOT NULL, at REAL NOT NULL,
        PRIMARY KEY (network, user)) WITHOUT ROWID;
    CREATE TABLE position (source TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE history (id INTEGER PRIMARY KEY, at REAL NOT NULL, what TEXT NOT NULL,
        network TEXT, user TEXT, source TEXT, address TEXT, count INTEGER NOT NULL, until REAL);
    CREATE INDEX history_at ON history (at);
    CREATE INDEX history_network ON history (network, at);
    CREATE INDEX history_user ON history (user, at);
    """,
    """
    ALTER TABLE revoked RENAME TO revoked_1;
    CREATE TABLE revoked (network TEXT NOT NULL, user TEXT NOT NULL, source TEXT NOT NULL,
        at REAL NOT NULL, PRIMARY KEY (network, user, source)) WITHOUT ROWID;
    INSERT INTO revoked SELECT network, user, '', at FROM revoked_1;
    DROP TABLE revoked_1;
    """,
)


class SqliteStore:
    """One open database. Use one thread at a time."""

    def __init__(self, path: Path, *, write: bool) -> None:
        """Open `path`; with `write`, create and migrate it and keep every other writer out."""
        self.path = path
        self._lock: int | None = None
        try:
            if write:
                self._lock = _lock(path)
            _inspect(path, write)
            self._db = self._open(write)
        except BaseException:
            self._unlock()
            raise
        self._inode = _inode(path)

    def _open(self, write: bool) -> sqlite3.Connection:
        with self._errors("open"):
            if not write:
                uri = self.path.absolute().as_uri() + "?mode=ro"
                return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5)
            before = os.umask(0o027)  # names and addresses are nobody else's business
            try:
                db = sqlite3.connect(
                    self.path, isolation_level=None, timeout=5, check_same_thread=False
                )
                db.execute("PRAGMA journal_mode=WAL")
                db.execute("PRAGMA synchronous=FULL")
                db.execute("PRAGMA cache_size=-256")  # KiB: memory answers, this only keeps
                _migrate(db)
            finally:
                os.umask(before)
            return db

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"cannot {doing} the store {self.path}: {error}") from error

    def mark(self) -> Mark | None:
        with self._errors("read"):
            row = self._db.execute("SELECT boot_id, uptime, now FROM mark").fetchone()
        return None if row is None else Mark(*row)

    def grants(self) -> Iterable[Grant]:
        # One object for all that are equal: there are few sources, and an hour has few seconds.
        sources: dict[str, str] = {}
        times: dict[float, float] = {}
        with self._errors("read"):
            rows = self._db.execute(
                "SELECT network, user, source, address, granted_at, last_login, until,"
                ' older, sessions FROM "grant"'
            )
            for text, user, source, address, granted, login, until, older, sessions in rows:
                network = Network(text)
                yield Grant(
                    network,
                    user,
                    sources.setdefault(source, source),
                    client_in(network, address),
                    times.setdefault(granted, granted),
                    times.setdefault(login, login),
                    times.setdefault(until, until),
                    tuple(Proof(*p) for p in json.loads(older)) if older else (),
                    tuple(Session(*s) for s in json.loads(sessions)) if sessions else (),
                )

    def count(self) -> int:
        """How many grants there are, live or not yet swept."""
        with self._errors("read"):
            return int(self._db.execute('SELECT count(*) FROM "grant"').fetchone()[0])

    def revocations(self) -> Iterable[Revoked]:
        with self._errors("read"):
            rows = self._db.execute("SELECT network, user, at, source FROM revoked").fetchall()
        return [
            Revoked(Network(network) if network else None, user or None, at, source or None)
            for network, user, at, source in rows
        ]

    def positions(self) -> dict[str, str]:
        with self._errors("read"):
            return dict(self._db.execute("SELECT source, value FROM position").fetchall())

    def commit(self, batch: Batch, mark: Mark, forget: float | None = None) -> None:
        if _inode(self.path) != self._inode:
            raise StoreError(f"the store {self.path} was removed or replaced while in use")
        db = self._db
        with self._errors("write"):
            db.execute("BEGIN IMMEDIATE")
            try:
                _write(db, batch, mark, forget)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def history(
        self, network: str | None, user: str | None, since: float | None, limit: int
    ) -> Sequence[Deed]:
        with self._errors("read"):
            rows = self._db.execute(
                "SELECT at, what, network, user, source, address, count, until FROM history"
                " WHERE (:network IS NULL OR network = :network)"
                " AND (:user IS NULL OR user = :user) AND (:since IS NULL OR at >= :since)"
                " ORDER BY at DESC, id DESC LIMIT :limit",
                {"network": network, "user": user, "since": since, "limit": limit},
            ).fetchall()
        return [Deed(*row) for row in reversed(rows)]

    def follow(self, after: int | None, limit: int) -> tuple[Sequence[Deed], int]:
        with self._errors("read"):
            newest = self._db.execute("SELECT coalesce(max(id), 0) FROM history").fetchone()[0]
            if after is None:
                after = max(newest - limit, 0)
            elif after > newest:  # a place in another file, which was moved away
                after = 0
            rows = self._db.execute(
                "SELECT at, what, network, user, source, address, count, until, id FROM history"
                " WHERE id > ? ORDER BY id LIMIT ?",
                (after, limit),
            ).fetchall()
        return [Deed(*row[:-1]) for row in rows], rows[-1][-1] if rows else after

    def forget_history(self, before: float) -> None:
        with self._errors("write"):
            self._db.execute("DELETE FROM history WHERE at < ?", (before,))

    def close(self) -> None:
        self._db.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _write(db: sqlite3.Connection, batch: Batch, mark: Mark, forget: float | None) -> None:
    db.execute(
        "REPLACE INTO mark VALUES (1, ?, ?, ?)",
        (mark.boot_id, mark.uptime, mark.now),
    )
    db.executemany(
        'DELETE FROM "grant" WHERE network = ? AND user = ? AND source = ?',
        [tuple(key) for key, grant in batch.grants.items() if grant is None],
    )
    db.executemany(
        'REPLACE INTO "grant" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
        [_row(grant) for grant in batch.grants.values() if grant is not None],
    )
    db.executemany(
        "INSERT INTO revoked VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET at = max(at, excluded.at)",
        [(r.network or "", r.user or "", r.source or "", r.at) for r in batch.revoked],
    )
    if forget is not None:
        db.execute("DELETE FROM revoked WHERE at < ?", (forget,))
    db.executemany("REPLACE INTO position VALUES (?, ?)", batch.positions.items())
    db.executemany(
        "INSERT INTO history (at, what, network, user, source, address, count, until)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (d.at, d.what, d.network, d.user, d.source, d.address, d.count, d.until)
            for d in batch.deeds
        ],
    )


def _row(grant: Grant) -> tuple[object, ...]:
    return (
        *grant.key,
        grant.address,
        grant.granted_at,
        grant.last_login,
        grant.until,
        json.dumps(grant.older) if grant.older else None,
        json.dumps(grant.sessions) if grant.sessions else None,
    )


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot look at the store {path}: {error.strerror}") from error
    return stat.st_dev, stat.st_ino


def _lock(path: Path) -> int:
    """Keep other writers out for as long as the descriptor is open, whoever crashes."""
    beside = path.with_name(path.name + ".lock")
    try:
        lock = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise StoreError(f"cannot open {beside}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise StoreError(f"the store {path} is in use by a running poplock") from None
    return lock


def _inspect(path: Path, write: bool) -> None:
    """Refuse a file that isn't ours or is damaged, having only read it."""
    try:
        if path.stat().st_size == 0:
            return  # new, or created by somebody with touch(1)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot read the store {path}: {error.strerror}") from error
    advice = "It was left untouched. Move it away, or set store.path to another file."
    try:
        db = sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True, timeout=5)
        try:
            ours = _pragma(db, "application_id") == APPLICATION_ID
            version = _pragma(db, "user_version")
            health = db.execute("PRAGMA quick_check(1)").fetchone()[0] if ours else "ok"
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StoreError(f"{path} is not a readable SQLite database ({error}). {advice}") from error
    if not ours:
        raise StoreError(f"{path} is a database of another program. {advice}")
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path} has schema {version}, written by a newer poplock; this one knows"
            f" {len(MIGRATIONS)}. Upgrade poplock. The file was left untouched."
        )
    if version < len(MIGRATIONS) and not write and ours:
        raise StoreError(
            f"{path} has schema {version}, of an older poplock. 'poplock run' brings it up to date."
        )
    if health != "ok":
        raise StoreError(f"{path} is damaged: {health}. {advice}")


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])


def _migrate(db: sqlite3.Connection) -> None:
    version = _pragma(db, "user_version")
    for reached, script in enumerate(MIGRATIONS[version:], start=version + 1):
        db.executescript(
            f"BEGIN IMMEDIATE; {script}"
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {reached}; COMMIT;"
        )
