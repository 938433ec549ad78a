"""A map that is one file, written whole whenever something in it has changed.

What it holds is taken under the lock, which must be quick, and made the file's bytes outside of it:
answers never wait for that.
"""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from ..config.maps import MapSettings
from ..core.clock import Clock
from ..core.errors import MapError
from .publish import no_space, publish

Content = Callable[[], Iterable[bytes]]
"""What a map held at a moment; called for the bytes of its file."""


class FileMap:
    """Subclasses hold the grants, under `_lock`, and set `_changed`."""

    def __init__(self, settings: MapSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._path = Path(settings.path)
        self._lock = threading.Lock()
        self._changed = True

    def _content(self) -> Content:
        """What the map holds; called under the lock."""
        raise NotImplementedError

    def renew(self) -> None:
        """The file has no ends in it that could be renewed."""

    def publish(self) -> None:
        with self._lock:
            if not self._changed:
                return
            self._changed = False
            content = self._content()
        try:
            self._write(content)
        except MapError:
            self._changed = True
            raise

    def _empty(self, content: Content) -> None:
        """Write what is left without grants. Where there is no space for it, the old file goes
        first: it must not stay, and a map that is missing for a moment lets nobody relay.
        """
        try:
            self._write(content)
        except MapError as error:
            if not no_space(error):
                raise
            self._path.unlink(missing_ok=True)
            self._write(content)

    def _write(self, content: Content) -> None:
        mode = int(self._settings.mode, 8)
        publish(self._path, content(), mode=mode, group=self._settings.group)
