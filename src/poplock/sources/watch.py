"""Waits until a file may have changed: inotify(7), with a look each second as a safety net.

inotify sees nothing on network file systems, and a folder may be missing for a while; then the
look each second is all there is.

Two calls of the C library by themselves: what changed doesn't matter here, only that something did,
and the packages that wrap inotify cost 0.8 MiB of modules to say it.
"""

import asyncio
import ctypes
import os
from contextlib import suppress
from pathlib import Path

LOOK = 1.0  # seconds

# inotify(7), linux/inotify.h
_MODIFY, _ATTRIB, _CLOSE_WRITE, _DELETE_SELF, _MOVE_SELF = 0x002, 0x004, 0x008, 0x400, 0x800
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x040, 0x080, 0x100, 0x200
_IN_FOLDER = _CREATE | _MOVED_TO | _MOVED_FROM | _DELETE
_IN_DROP_BOX = _CLOSE_WRITE | _MOVED_TO  # not when a file is begun, nor when it is taken away
_IN_FILE = _MODIFY | _ATTRIB | _MOVE_SELF | _DELETE_SELF
_EVENTS = 65_536  # bytes read at once; what is left makes the descriptor readable again

_libc = ctypes.CDLL(None, use_errno=True)


class Watch:
    """Watches one path, whatever file stands there, or a drop box: a folder for the files that are
    finished in it. Use as an async context manager."""

    def __init__(self, path: Path, *, drop_box: bool = False) -> None:
        self._path = path
        self._drop_box = drop_box
        self._changed = asyncio.Event()

    async def __aenter__(self) -> "Watch":
        self._inotify = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._inotify < 0:  # too many of them (fs.inotify.max_user_instances): look only
            return self
        asyncio.get_running_loop().add_reader(self._inotify, self._ready)
        self._add()
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._inotify >= 0:
            asyncio.get_running_loop().remove_reader(self._inotify)
            os.close(self._inotify)

    def _add(self) -> None:
        """Watch what is there now; watching the same file again changes nothing."""
        if self._drop_box:
            _watch(self._inotify, self._path, _IN_DROP_BOX)
        else:
            _watch(self._inotify, self._path.parent, _IN_FOLDER)
            _watch(self._inotify, self._path, _IN_FILE)

    def _ready(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._inotify, _EVENTS)
        self._changed.set()

    def arm(self) -> None:
        """Forget what was seen. Call it before looking, so that a change meanwhile isn't lost."""
        self._changed.clear()
        self._add()

    async def wait(self) -> None:
        """Until something changed, or a second has passed."""
        with suppress(TimeoutError):
            # Not wait_for(): in Python 3.11 that may swallow a cancellation.
            async with asyncio.timeout(LOOK):
                await self._changed.wait()


def _watch(inotify: int, path: Path, events: int) -> None:
    """Ask for events of what is there; where it can't be, the look each second finds it."""
    _libc.inotify_add_watch(inotify, os.fsencode(path), events)
