"""The drop box of `poplock-allow`: a file for each login.

    poplock 1
    ip 203.0.113.9
    service pop3
    tls unknown
    user ann
    end

A file without its `end` is still being written. The kernel's word counts for two things: the time
of the login is the file's modification time, and who says so is the file's owner. Since the folder
is open to every mail user, an owner is believed about himself only; also about others whom
`speak_for_others` names (the owner of all virtual mailboxes, vpopmail say), root, and the user that
poplock runs as, who could write the grants as well.

A file is taken away when its login is on disk. Read again after a crash, it gives the same login.
"""

import os
import pwd
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..config.sources import SpoolSettings
from ..core.addresses import parse_ip
from ..core.errors import StoreError
from ..core.events import Event, Login
from .intake import Intake
from .watch import Watch

_LARGEST = 4096  # bytes of a file
_BATCH = 1000  # files read at a time
_PATIENCE = 60.0  # seconds a file may lack its end before it is taken away
_LABELS = ("poplock ", "ip ", "service ", "tls ", "user ")


class SpoolSource:
    """Follows one drop box."""

    def __init__(self, intake: Intake, path: Path, speak_for_others: Sequence[str]) -> None:
        self.intake = intake
        self._path = path
        self._trusted = frozenset(speak_for_others)

    async def run(self, position: str | None) -> None:
        """Follow until cancelled. There is no position: what is done is gone."""
        async with Watch(self._path, folder_only=True) as watch:
            while True:
                watch.arm()
                await self._take()
                self.intake.health.caught_up = True
                await watch.wait()

    async def _take(self) -> None:
        """Record the files that are there."""
        try:
            with os.scandir(self._path) as entries:
                names = sorted(e.name for e in entries if e.name.startswith("login."))
            self.intake.health.trouble = None
        except OSError as error:
            self.intake.health.trouble = f"{self._path}: {error.strerror}"
            return
        for start in range(0, len(names), _BATCH):
            await self._take_batch([self._path / n for n in names[start : start + _BATCH]])

    async def _take_batch(self, paths: Sequence[Path]) -> None:
        events: list[Event] = []
        done: list[Path] = []
        for path in paths:
            try:
                event = self.read(path)
            except ValueError:
                self.intake.health.skipped += 1
                done.append(path)
                continue
            if event is not None:
                events.append(event)
                done.append(path)
        if events:
            self.intake.take(events)
            try:
                await self.intake.kept()
            except StoreError:
                return  # the files stay, and are read again
        _remove(done)

    def read(self, path: Path) -> Login | None:
        """The login in a file; None while it lacks its end; ValueError if it is to be refused."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ValueError(str(error)) from error
        try:
            info = os.fstat(descriptor)
            if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1 or info.st_size > _LARGEST:
                raise ValueError("not a small regular file of its own")
            text = os.read(descriptor, _LARGEST).decode()
        except OSError as error:
            raise ValueError(str(error)) from error
        finally:
            os.close(descriptor)
        if not text.endswith("\nend\n"):
            if self.intake.clock.wall() - info.st_mtime > _PATIENCE:
                raise ValueError("cut off")
            return None
        version, ip, service, tls, user = _values(text)
        if version != "1" or service not in ("pop3", "imap"):
            raise ValueError("not written by poplock-allow")
        if not self._may_say(info.st_uid, user):
            raise ValueError("its owner may not speak for that user")
        return Login(
            info.st_mtime,
            parse_ip(ip),
            user,
            service,
            True if tls == "yes" else None,
            dialect="poplock-allow",
        )

    def _may_say(self, uid: int, user: str) -> bool:
        if uid in (0, os.geteuid()):
            return True
        try:
            owner = pwd.getpwuid(uid).pw_name
        except KeyError:
            return False
        return owner == user or owner in self._trusted


def _values(text: str) -> list[str]:
    lines = text.split("\n")[:-2]
    if len(lines) != len(_LABELS):
        raise ValueError("not five lines")
    values = []
    for line, label in zip(lines, _LABELS, strict=True):
        value = line.removeprefix(label)
        if value == line or not value or not value.isprintable() or len(value) > 255:
            raise ValueError(f"no {label}")
        values.append(value)
    return values


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()


def make(settings: SpoolSettings, intake: Intake) -> SpoolSource:
    """The source that `[[source]]` with `type = "spool"` describes."""
    return SpoolSource(intake, Path(settings.path), settings.speak_for_others)
