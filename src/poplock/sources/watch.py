"""Waits until a file may have changed: inotify(7), with a look each second as a safety net.

inotify sees nothing on network file systems, and a folder may be missing for a while; then the
look each second is all there is.
"""

import asyncio
from contextlib import suppress
from pathlib import Path

from inotify_simple import INotify, flags

LOOK = 1.0  # seconds

_IN_FOLDER = flags.CREATE | flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE
_IN_FILE = flags.MODIFY | flags.ATTRIB | flags.MOVE_SELF | flags.DELETE_SELF


class Watch:
    """Watches one path, whatever file stands there. Use as an async context manager."""

    def __init__(self, path: Path, *, folder_only: bool = False) -> None:
        self._path = path
        self._folder = path if folder_only else path.parent
        self._folder_only = folder_only
        self._changed = asyncio.Event()

    async def __aenter__(self) -> "Watch":
        self._inotify = INotify(nonblocking=True)
        asyncio.get_running_loop().add_reader(self._inotify.fileno(), self._ready)
        self._add()
        return self

    async def __aexit__(self, *exc: object) -> None:
        asyncio.get_running_loop().remove_reader(self._inotify.fileno())
        self._inotify.close()

    def _add(self) -> None:
        """Watch what is there now; watching the same file again changes nothing."""
        with suppress(OSError):
            self._inotify.add_watch(self._folder, _IN_FOLDER)
        if not self._folder_only:
            with suppress(OSError):
                self._inotify.add_watch(self._path, _IN_FILE)

    def _ready(self) -> None:
        self._inotify.read(timeout=0)
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
