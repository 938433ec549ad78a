"""Puts a file into its place: whole or not at all.

The new content goes to a temporary file in the same folder, onto the disk, and over the old one by
rename(2). A reader sees the old file or the new one; on any failure the old one stays.
"""

import errno
import grp
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..core.errors import MapError


def publish(
    path: Path, parts: Iterable[bytes], *, mode: int, group: str | None, durable: bool = True
) -> None:
    """Write `parts` as the file at `path`; MapError says what went wrong."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        try:
            for part in parts:
                _write(descriptor, part)
            give(descriptor, mode=mode, group=group)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.rename(path)
        if durable:
            _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise MapError(f"cannot write the map {path}: {error.strerror}") from error


def no_space(error: MapError) -> bool:
    """Whether it is only for want of space that a file could not be written."""
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)


def give(descriptor: int, *, mode: int, group: str | None) -> None:
    """Set whose an open file is; MapError where there is no such group."""
    if group is not None:
        try:
            gid = grp.getgrnam(group).gr_gid
        except KeyError:
            raise MapError(f"there is no group {group!r} on this host for a map") from None
        os.fchown(descriptor, -1, gid)
    os.fchmod(descriptor, mode)


def _write(descriptor: int, part: bytes) -> None:
    view = memoryview(part)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
