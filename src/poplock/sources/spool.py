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

A file counts at once, and is taken away when its login is on disk. Read again after a crash, it
gives the same login.
"""

import asyncio
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
_BATCH = 1000  # files read at a time, and at most so many recorded that aren't on disk
_AFTER_YOU = 0.002
"""Seconds until a file is read. Its client waits for the answer to PASS, which the server is about
to give: on two processors, reading at once was seen to make that 0.2 ms later. Nobody can ask about
the client before it has its answer; a question that comes as fast as that waits for us (patience).
"""
_AGAIN = 1.0  # seconds between attempts while the store fails
_PATIENCE = 60.0  # seconds a file may lack its end before it is taken away
_LABELS = ("poplock ", "ip ", "service ", "tls ", "user ")


class SpoolSource:
    """Follows one drop box."""

    def __init__(self, intake: Intake, path: Path, speak_for_others: Sequence[str]) -> None:
        self.intake = intake
        self._path = path
        self._trusted = frozenset(speak_for_others)
        self._taken: set[str] = set()  # recorded, and there until that is on disk
        self._some_taken = asyncio.Event()
        self._removed = asyncio.Event()

    async def run(self, position: str | None) -> None:
        """Follow until cancelled. There is no position: what is done is gone."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._follow())
            both.create_task(self._remove_what_is_kept())

    async def _follow(self) -> None:
        """Record the logins. Nothing here waits for the disk while few come at a time."""
        async with Watch(self._path, drop_box=True) as watch:
            while True:
                watch.arm()
                await self._take()
                self.intake.health.caught_up = True
                await watch.wait()
                await asyncio.sleep(_AFTER_YOU)

    async def _take(self) -> None:
        """Record the files that are there."""
        try:
            with os.scandir(self._path) as entries:
                there = {e.name for e in entries if e.name.startswith("login.")}
            self.intake.health.trouble = None
        except OSError as error:
            self.intake.health.trouble = f"{self._path}: {error.strerror}"
            return
        names = sorted(there - self._taken)
        for start in range(0, len(names), _BATCH):
            self._take_batch(names[start : start + _BATCH])
            while len(self._taken) >= _BATCH:
                self._removed.clear()
                await self._removed.wait()

    def _take_batch(self, names: Sequence[str]) -> None:
        events: list[Event] = []
        taken: list[str] = []
        for name in names:
            try:
                event = self.read(self._path / name)
            except ValueError:
                self.intake.health.skipped += 1
                self._remove(name)
                continue
            if event is not None:
                events.append(event)
                taken.append(name)
        if events:
            self.intake.take(events)
            self._taken.update(taken)
            self._some_taken.set()

    async def _remove_what_is_kept(self) -> None:
        """Take files away behind the commits of their logins.

        Not as each login comes: its client still waits then, and a commit for each would take the
        disk and a processor from what it waits for. What can't be kept stays for the next start.
        """
        while True:
            await self._some_taken.wait()
            self._some_taken.clear()
            taken = list(self._taken)
            try:
                await self.intake.kept_soon()
            except StoreError:
                await asyncio.sleep(_AGAIN)
                self._some_taken.set()
                continue
            for name in taken:
                self._remove(name)
            self._taken.difference_update(taken)
            self._removed.set()

    def _remove(self, name: str) -> None:
        with suppress(OSError):
            (self._path / name).unlink()

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


def make(settings: SpoolSettings, intake: Intake) -> SpoolSource:
    """The source that `[[source]]` with `type = "spool"` describes."""
    return SpoolSource(intake, Path(settings.path), settings.speak_for_others)
