"""A map that is one file, written whole, with a piece of it for each network.

Subclasses say what a grant's piece is. An operator's own lines (`static`) stand before all others
and stay when the grants are taken out; a comment parts the two, so that this can be done even while
the operator's file can't be read.
"""

from collections.abc import Iterable
from pathlib import Path

from ..config.maps import MapSettings
from ..core.addresses import Network
from ..core.clock import Clock
from ..core.errors import MapError
from ..core.grants import Grant
from .filemap import Content, FileMap

_MARK = b"# Grants by poplock: written anew all the time, edit nothing below.\n"


class WholeFileMap(FileMap):
    """The pieces, and the file they make."""

    def __init__(self, settings: MapSettings, clock: Clock, static: str | None = None) -> None:
        super().__init__(settings, clock)
        self._mark = _MARK + self.nobody
        self._static_path = None if static is None else Path(static)
        self._static = b""
        self._pieces: dict[Network, bytes] = {}

    nobody: bytes = b""
    """A line that matches no client, for a reader that takes no table without one."""

    def piece(self, grant: Grant) -> bytes:
        """What stands in the file for this grant."""
        raise NotImplementedError

    def replace_all(self, grants: Iterable[Grant]) -> None:
        static = self._read_static()
        with self._lock:
            self._static = static
            self._pieces.clear()
            self._changed = True
        self.update((grant.network, grant) for grant in grants)

    def update(self, changed: Iterable[tuple[Network, Grant | None]]) -> None:
        with self._lock:
            for network, grant in changed:
                piece = None if grant is None else self.piece(grant)
                if piece == self._pieces.get(network):
                    continue
                self._changed = True
                if piece is None:
                    del self._pieces[network]
                else:
                    self._pieces[network] = piece

    def _content(self) -> Content:
        pieces = [self._static, self._mark, *self._pieces.values()]
        return lambda: [b"".join(pieces)]

    def clear(self) -> None:
        with self._lock:
            self._pieces.clear()
        try:
            static = self._read_static()
        except MapError:
            static = self._path.read_bytes().partition(_MARK)[0] if self._path.exists() else b""
        self._empty(lambda: [static, self._mark])

    def _read_static(self) -> bytes:
        if self._static_path is None:
            return b""
        try:
            text = self._static_path.read_bytes()
        except OSError as error:
            raise MapError(f"cannot read {self._static_path}: {error.strerror}") from error
        return text if not text or text.endswith(b"\n") else text + b"\n"
