"""How long a map's word lasts without us: a file `PATH.lease` beside the map.

Most formats have no place for an end, so a daemon that was killed, or that hangs, leaves grants
standing. Therefore a map is written under a lease, which the daemon prolongs while it lives. Once
it has run out, `poplock maps sweep` (a timer, cron, a supervisor's finish script) empties the map.
The file holds one line, `BOOT-ID DEADLINE`, the deadline in seconds since boot: no step of the wall
clock matters, and a lease from before a reboot has run out.

No lease file: the map is empty already, and nothing has to be done. Whoever writes or empties a map
holds a lock on the file meanwhile, so that a sweep can't empty what a daemon has just written.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.clock import Clock
from ..core.errors import MapError


class Lease:
    """The lease of the map at `path`, for `seconds` at a time."""

    def __init__(self, path: str, seconds: float, clock: Clock) -> None:
        self._path = Path(f"{path}.lease")
        self._seconds = seconds
        self._clock = clock
        self._deadline: float | None = None

    @property
    def lapsed(self) -> bool:
        """Whether we held it no longer, so that somebody may have emptied the map meanwhile."""
        return self._deadline is None or self._clock.uptime() >= self._deadline

    def holds(self) -> bool | None:
        """Whether the lease that stands there holds; None: there is none, the map is empty."""
        try:
            return self._holds(self._path.read_bytes()[:200])
        except FileNotFoundError:
            return None
        except OSError as error:
            raise MapError(f"cannot read the lease {self._path}: {error.strerror}") from error

    @contextmanager
    def renewal(self) -> Iterator[None]:
        """Prolong it if the block, which writes the map, succeeds; nobody sweeps meanwhile."""
        with self._locked(create=True) as file:
            yield
            deadline = self._clock.uptime() + self._seconds
            line = f"{self._clock.boot_id()} {deadline:.1f}\n".encode()
            try:
                os.pwrite(file, line, 0)
                os.ftruncate(file, len(line))
            except OSError as error:
                raise MapError(f"cannot write the lease {self._path}: {error.strerror}") from error
            self._deadline = deadline

    @contextmanager
    def ended(self, *, early: bool = False) -> Iterator[bool]:
        """Whether the map is to be emptied, because the lease ran out or (`early`) in any case.

        The block empties it; nobody can write the map meanwhile, and after it the lease is gone.
        """
        if not self._path.exists():
            yield early
            return
        with self._locked(create=False) as file:
            over = early or not self._holds(os.pread(file, 200, 0))
            yield over
            if over:
                self._path.unlink(missing_ok=True)
                self._deadline = None

    def _holds(self, line: bytes) -> bool:
        boot, _, deadline = line.decode(errors="replace").strip().partition(" ")
        try:
            return boot == self._clock.boot_id() and self._clock.uptime() < float(deadline)
        except ValueError:
            return False

    @contextmanager
    def _locked(self, *, create: bool) -> Iterator[int]:
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if create else 0)
        try:
            file = os.open(self._path, flags, 0o644)
        except OSError as error:
            raise MapError(f"cannot open the lease {self._path}: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if create and not os.fstat(file).st_nlink:  # a sweep took it away meanwhile
                with self._locked(create=True) as again:
                    yield again
            else:
                yield file
        finally:
            os.close(file)
