"""Old logs, as rotation leaves them: plain or compressed, read through a scanner."""

import bz2
import gzip
import lzma
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, Any

from ..core.errors import PoplockError
from ..core.events import Event
from ..dialects.scanner import Scanner
from ..wire.lines import LineCutter

_BLOCK = 262_144  # bytes read at a time, after decompression

Opener = Callable[..., Any]
_OPENERS: dict[str, Opener] = {
    ".gz": partial(gzip.open, mode="rb"),
    ".bz2": partial(bz2.open, mode="rb"),
    ".xz": partial(lzma.open, mode="rb"),
}


class LogFile:
    """One log; `-` is standard input. PoplockError where it can't be read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines = 0
        self.size = 0
        """Bytes on disk; 0 where that isn't known."""
        self.written_at = time.time()
        """When it was last written to: stamps without a year are seen from there."""
        if name == "-":
            return
        try:
            info = Path(name).stat()
        except OSError as error:
            raise PoplockError(f"cannot read {name}: {error.strerror}") from error
        self.size, self.written_at = info.st_size, info.st_mtime

    def events(self, scanner: Scanner, advance: Callable[[int], None]) -> Iterator[Event]:
        """What the scanner sees; `advance` is told of the bytes on disk as they are read."""
        told = 0
        try:
            with ExitStack() as exits:
                raw = sys.stdin.buffer
                if self.name != "-":
                    raw = exits.enter_context(Path(self.name).open("rb"))
                opener = _OPENERS.get(Path(self.name).suffix)
                for block in self._blocks(raw if opener is None else opener(raw)):
                    yield from scanner.feed(block, self.written_at, live=False)
                    if self.size:
                        read = raw.tell()
                        advance(read - told)
                        told = read
        except OSError as error:
            reason = error.strerror or str(error)
            raise PoplockError(f"cannot read {self.name}: {reason}") from error
        except (EOFError, zlib.error, lzma.LZMAError) as error:
            raise PoplockError(f"cannot decompress {self.name}: {error}") from error

    def _blocks(self, file: IO[bytes]) -> Iterator[bytes]:
        """Whole lines."""
        cutter = LineCutter()
        while chunk := file.read(_BLOCK):
            block = cutter.feed(chunk)
            self.lines += block.count(b"\n")
            yield block
        if cutter.pending:  # a last line without its newline: nobody writes on
            yield cutter.feed(b"\n")
            self.lines += 1
        self.lines += cutter.skipped
