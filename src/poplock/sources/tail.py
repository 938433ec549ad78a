"""Reads a log file on and on, through its rotations. No clock, no event loop: plain files.

The files still to be read stand in a queue, oldest first; the last is the one at the path.

- rename and create: another file stands at the path. It is read at once, and so is the old one
  for `grace` seconds more, since the writer goes on there until it is told. (Events merge in any
  order.)
- copytruncate: the file became shorter, or the bytes before our place are others. What we had not
  read yet is in the copy.
- recreation, or a file that isn't there yet: the path is looked at again and again.

A place in a file is known by its offset and a digest of the bytes before it, not by its inode
alone: that also finds a file that was renamed, copied or compressed while nobody looked.
"""

import hashlib
import json
import os
import stat
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from ..wire.lines import LineCutter

_DIGESTED = 256  # bytes before a place: two lines with their times
_MOST_SIBLINGS = 100  # files of the folder that are looked into for a lost place


class _File:
    """One open file, read from a place onwards in whole lines."""

    def __init__(self, file: BinaryIO, offset: int, before: bytes) -> None:
        self.file = file
        self.cutter = LineCutter()
        self.retired_at: float | None = None
        info = os.fstat(file.fileno())
        self.identity = (info.st_dev, info.st_ino)
        self._offset = offset
        self._before = before
        file.seek(offset)

    @property
    def place(self) -> int:
        """Just after the last whole line."""
        return self._offset - self.cutter.pending

    @property
    def digest(self) -> str:
        """Of the bytes before the place."""
        return _digest(self._before)

    @property
    def size(self) -> int:
        return os.fstat(self.file.fileno()).st_size

    def read(self, size: int) -> bytes:
        """The next whole lines; b"" at the end of the file."""
        while chunk := self.file.read(size):
            self._offset += len(chunk)
            block = self.cutter.feed(chunk)
            if block:
                self._before = (self._before + block[-_DIGESTED:])[-_DIGESTED:]
                return block
        return b""

    def truncated(self) -> bool:
        """Whether what we had read is gone, even if the file has grown past our place again."""
        before = self._before
        return os.pread(self.file.fileno(), len(before), self.place - len(before)) != before


class Tail:
    """The lines of a log, from a position on."""

    def __init__(self, path: Path, position: str | None, *, grace: float) -> None:
        self._path = path
        self._grace = grace
        self._files: deque[_File] = deque()
        self.cut_off = 0
        """Lines that a rotation cut in the middle."""
        self.lost_place = False
        """Whether the stored position was found in no file."""
        if position is not None:
            self._resume(json.loads(position))

    def read(self, size: int, now: float) -> bytes:
        """The next whole lines, or b"" where there are none now. `now` in seconds, any scale."""
        block = self._read(size, now)
        if not block and self._look(now):
            block = self._read(size, now)
        return block

    def _read(self, size: int, now: float) -> bytes:
        for file in list(self._files):
            if file.retired_at is None and file.truncated():
                self._restart(file)
                return self._read(size, now)
            block = file.read(size)
            if block:
                return block
            if file.retired_at is not None and now - file.retired_at >= self._grace:
                self._drop(file)
        return b""

    @property
    def position(self) -> str | None:
        """Where to go on after a restart: in the oldest file that is not done."""
        if not self._files:
            return None
        file = self._files[0]
        inode = file.identity[1]
        return json.dumps({"offset": file.place, "digest": file.digest, "inode": inode})

    @property
    def behind(self) -> int:
        """Bytes not read yet, in the file at the path."""
        if not self._files:
            return 0
        file = self._files[-1]
        return max(file.size - file.place, 0)

    def skipped(self) -> int:
        """Overlong lines and lines cut off by a rotation."""
        return self.cut_off + sum(f.cutter.skipped for f in self._files)

    def close(self) -> None:
        for file in self._files:
            file.file.close()
        self._files.clear()

    def _drop(self, file: _File) -> None:
        self._files.remove(file)
        self.cut_off += file.cutter.skipped + (1 if file.cutter.pending else 0)
        file.file.close()

    def _look(self, now: float) -> bool:
        """Whether another file stands at the path than the last one opened."""
        current = self._files[-1] if self._files else None
        try:
            info = self._path.stat()
        except OSError:
            info = None
        if current is not None:
            if info is not None and (info.st_dev, info.st_ino) == current.identity:
                current.retired_at = None
                return False
            if current.retired_at is None:
                current.retired_at = now
        return info is not None and self._open(self._path, 0)

    def _restart(self, file: _File) -> None:
        """Begin a truncated file anew; what we had not read of it may stand in a copy."""
        place, digest = file.place, file.digest
        self._drop(file)
        for sibling in self._siblings():
            if self._open(sibling, place, digest):
                self._files[-1].retired_at = float("-inf")
                break
        self._open(self._path, 0)

    def _open(self, path: Path, offset: int, digest: str | None = None) -> bool:
        """Open at `offset`, where `digest` is given only if it is that of the bytes before."""
        file = _open(path)
        if file is None:
            return False
        try:
            before = _before(file, offset)
        except (OSError, EOFError, zlib.error):
            before = None
        if before is None or (digest is not None and _digest(before) != digest):
            file.close()
            return False
        self._files.append(_File(file, offset, before))
        return True

    def _resume(self, position: dict[str, object]) -> None:
        offset, digest = cast(int, position["offset"]), cast(str, position["digest"])
        # At its beginning no bytes tell a file apart. Its inode does, unless it was compressed.
        same = offset > 0 or _inode(self._path) == position["inode"]
        if same and self._open(self._path, offset, digest):
            return
        siblings = list(self._siblings())
        if offset > 0:
            opened = (i for i, s in enumerate(siblings) if self._open(s, offset, digest))
        else:
            inodes = [_inode(s) for s in siblings]
            i = inodes.index(position["inode"]) if position["inode"] in inodes else 0
            opened = (i for s in siblings[i : i + 1] if self._open(s, 0))
        found = next(opened, None)
        if found is None:
            self.lost_place = True
            found = 1
        for newer in reversed(siblings[:found]):
            self._open(newer, 0)
        for file in self._files:
            file.retired_at = float("-inf")
        self._open(self._path, 0)

    def _siblings(self) -> Iterator[Path]:
        """Where this log may have been rotated to: the newest first."""
        found = []
        try:
            for entry in os.scandir(self._path.parent):
                name = entry.name
                if name.startswith(self._path.name) and name != self._path.name:
                    found.append((entry.stat(follow_symlinks=False).st_mtime, entry.path))
        except OSError:
            return
        for _, path in sorted(found, reverse=True)[:_MOST_SIBLINGS]:
            yield Path(path)


def _open(path: Path) -> BinaryIO | None:
    """Open a regular file, decompressing if need be; None where that can't be."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    if path.suffix == ".gz":
        from gzip import GzipFile  # only after a rotation

        return cast(BinaryIO, GzipFile(fileobj=os.fdopen(descriptor, "rb")))
    return os.fdopen(descriptor, "rb", buffering=0)


def _before(file: BinaryIO, offset: int) -> bytes | None:
    """The bytes before `offset`; None where the file is shorter."""
    start = max(offset - _DIGESTED, 0)
    file.seek(start)
    data = file.read(offset - start)
    return data if len(data) == offset - start else None


def _digest(before: bytes) -> str:
    return hashlib.blake2b(before, digest_size=16).hexdigest()


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None
