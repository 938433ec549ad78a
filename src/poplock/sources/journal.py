r"""Learns logins from systemd's journal, through a `journalctl -o json` child.

    {"__CURSOR":"s=…;i=…","__REALTIME_TIMESTAMP":"1795604672189277","_BOOT_ID":"dbd5…","_PID":"51",
     "_UID":"0","_SYSTEMD_UNIT":"dovecot.service","SYSLOG_IDENTIFIER":"dovecot","MESSAGE":"…"}

The cursor of the last entry goes to the store together with the grants that the entries led to, so
a restart reads on behind it. One child reads to the journal's end and is done, then another
follows: so it is known when the past has been caught up.

Where the cursor's entry was vacuumed meanwhile, journalctl goes on at the next one that is left. It
is asked to begin *at* the cursor, and the entry there is passed over here: with `--after-cursor`,
that of Debian 12 passes over the next one left without looking whether it is the same, and a login
is lost (seen with systemd 252).

A value may be a string; an array of bytes, where it isn't printable; an array of strings, where the
field stands there more than once; null, where it has more than 4096 bytes. A message or an
identifier that stands there twice has two readings, and is no login.

Security: message and identifier are written by whoever logs, so any local user can imitate them.
Fields with an underscore in front are journald's own word: an entry counts only where
`_SYSTEMD_UNIT` is one of `units` and, if there are `uids`, `_UID` one of them. journalctl is asked
for such entries only, and each is looked at here again. The time is journald's, not the writer's;
two lines of one login are joined by boot and process as journald saw them.
"""

import asyncio
import json
import os
import pwd
import re
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec

from ..config.sources import JournalSettings
from ..core.errors import ConfigError
from ..core.events import Event
from ..dialects.line import canonical
from ..dialects.scanner import Scanner
from ..wire.lines import LineCutter
from .file import OldSessions
from .intake import Intake

_SLICE = 16_384  # bytes of JSON between two turns of the answers: some 30 entries, 0.3 ms of work
_FIELDS = "MESSAGE,SYSLOG_IDENTIFIER,_PID,_UID,_SYSTEMD_UNIT"
_LEAST_PAUSE, _MOST_PAUSE = 1.0, 60.0  # seconds before journalctl is started again
_LONGEST_WORDS = 500  # bytes of what journalctl says on standard error
_LONGEST_CURSOR = 1000  # bytes; a real one has some 150


_Value = str | list[int | str] | None


class _Entry(msgspec.Struct, frozen=True, gc=False):
    """A line of journalctl's, as far as it matters. Any field may be any kind of value."""

    cursor: str = msgspec.field(name="__CURSOR")
    realtime: str = msgspec.field(name="__REALTIME_TIMESTAMP")
    boot: str = msgspec.field(name="_BOOT_ID")
    message: _Value = msgspec.field(name="MESSAGE", default=None)
    tag: _Value = msgspec.field(name="SYSLOG_IDENTIFIER", default=None)
    unit: _Value = msgspec.field(name="_SYSTEMD_UNIT", default=None)
    uid: _Value = msgspec.field(name="_UID", default=None)
    pid: _Value = msgspec.field(name="_PID", default=None)


class Trusted(NamedTuple):
    """Whose entries count. No `uids`: those of every account in the units."""

    units: frozenset[str]
    uids: frozenset[int] = frozenset()

    def matches(self) -> list[str]:
        """What journalctl is asked for: any of the units, and any of the accounts."""
        units = [f"_SYSTEMD_UNIT={unit}" for unit in sorted(self.units)]
        return units + [f"_UID={uid}" for uid in sorted(self.uids)]


class Reader:
    """Turns journalctl's lines into lines for a scanner. Pure."""

    def __init__(self, trusted: Trusted) -> None:
        self._units = trusted.units
        self._uids = frozenset(str(uid) for uid in trusted.uids)
        self._decode = msgspec.json.Decoder(_Entry).decode
        self.cursor: str | None = None
        """Of the last entry."""
        self.skipped = 0
        """Lines that are no entry, and trusted entries that can't be read."""

    def read(self, block: bytes) -> bytes:
        """The log lines that whole lines of JSON hold; b"" where none counts."""
        return b"".join([self._line(line) for line in block.split(b"\n") if line[:1] == b"{"])

    def _line(self, line: bytes) -> bytes:
        try:
            entry = self._decode(line)
            moment = int(entry.realtime) / 1e6
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self.skipped += 1
            return b""
        if entry.cursor == self.cursor or len(entry.cursor) > _LONGEST_CURSOR:
            return b""
        self.cursor = entry.cursor
        if not _among(entry.unit, self._units):
            return b""
        if self._uids and not _among(entry.uid, self._uids):
            return b""
        text, tag = _bytes(entry.message), _bytes(entry.tag)
        if text is None or tag is None:
            self.skipped += 1
            return b""
        pid = entry.pid.encode() if isinstance(entry.pid, str) else b""
        return canonical(moment, entry.boot.encode(), tag, pid, text)


def _among(value: _Value, trusted: frozenset[str]) -> bool:
    return isinstance(value, str) and value in trusted


def _bytes(value: _Value) -> bytes | None:
    """The one value of a field; None where it has none, or two."""
    if isinstance(value, str):
        return value.encode()
    try:
        return bytes(value)  # type: ignore[arg-type]  # an array of strings is the TypeError
    except (TypeError, ValueError):
        return None


class JournalSource:
    """Follows the journal. `since`: how many seconds of the past count at the very first start."""

    def __init__(self, intake: Intake, trusted: Trusted, scanner: Scanner, since: float) -> None:
        self.intake = intake
        self._trusted = trusted
        self._reader = Reader(trusted)
        self._scanner = scanner
        self._old = OldSessions(intake.window)
        self._since = since
        self._from = 0.0  # where to begin while there is no cursor

    async def run(self, position: str | None) -> None:
        """Follow until cancelled."""
        health = self.intake.health
        self._resume(position)
        pause = _LEAST_PAUSE
        while True:
            health.caught_up = False
            before = self._reader.cursor
            if await self._child():
                health.caught_up = True
                self.intake.take(self._old.release(), self._position)
                await self._child("--follow")
            if self._reader.cursor != before:
                pause = _LEAST_PAUSE
            elif before and "cursor" in (health.trouble or ""):
                self._begin_anew()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _MOST_PAUSE)

    def _resume(self, position: str | None) -> None:
        self._begin_anew()
        kept = json.loads(position) if position else {}
        self._reader.cursor = kept.get("cursor")
        self._from = kept.get("from", self._from)
        self._scanner.pending.load(kept.get("pending", []))

    def _begin_anew(self) -> None:
        """Without a cursor. What is read twice then is the same logins, and merges."""
        self._reader.cursor = None
        self._from = self.intake.clock.wall() - self._since

    @property
    def _position(self) -> str:
        cursor = self._reader.cursor
        place: dict[str, object] = {"cursor": cursor} if cursor else {"from": self._from}
        pending = self._scanner.pending.dump()
        return json.dumps({**place, "pending": pending} if pending else place)

    def _command(self, *more: str) -> list[str]:
        cursor = self._reader.cursor
        begin = f"--cursor={cursor}" if cursor else f"--since=@{self._from:.0f}"
        options = ["--no-pager", "--output=json", f"--output-fields={_FIELDS}", "--no-tail", begin]
        return ["journalctl", *options, *more, *self._trusted.matches()]

    async def _child(self, *more: str) -> bool:
        """Read what one journalctl writes; whether it came to the journal's end."""
        health = self.intake.health
        path = os.environ.get("PATH", os.defpath)
        try:
            child = await asyncio.create_subprocess_exec(
                *self._command(*more),
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=PIPE,
                env={"PATH": path, "LC_ALL": "C"},
            )
        except OSError as error:
            health.trouble = f"cannot start journalctl: {error.strerror}"
            return False
        complaints = asyncio.create_task(self._listen(child))
        try:
            await self._read(child)
            status = await child.wait()
            await complaints
        finally:
            complaints.cancel()
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
        if status == 0 and not more:
            return True
        said = f": {health.trouble}" if health.trouble else ""
        health.trouble = f"journalctl ended with status {status}{said}"
        return False

    async def _read(self, child: Process) -> None:
        intake, health, cutter = self.intake, self.intake.health, LineCutter()
        async for chunk in _chunks(child.stdout):
            lines = self._reader.read(cutter.feed(chunk))
            wall = intake.clock.wall()
            events: Sequence[Event] = self._scanner.feed(lines, wall, live=health.caught_up)
            if not health.caught_up:
                events = self._old.pass_on(events, wall)
            intake.take(events, None if self._old else self._position)
            health.skipped = self._reader.skipped + self._scanner.skipped + cutter.skipped
            await intake.ready()
            await asyncio.sleep(0)

    async def _listen(self, child: Process) -> None:
        """What journalctl complains of is our trouble: a journal that it may not read, say."""
        health, words = self.intake.health, b""
        health.trouble = None
        async for chunk in _chunks(child.stderr):
            words = (words + chunk)[-_LONGEST_WORDS:]
            health.trouble = re.sub(r"\s+", " ", words.decode(errors="replace")).strip() or None


async def _chunks(stream: asyncio.StreamReader | None) -> AsyncIterator[bytes]:
    while stream is not None and (chunk := await stream.read(_SLICE)):
        yield chunk


def make(settings: JournalSettings, intake: Intake) -> JournalSource:
    """The source that `[[source]]` with `type = "journal"` describes."""
    uids = frozenset(_uid(account) for account in settings.uids)
    since = intake.window if settings.since is None else settings.since
    trusted = Trusted(frozenset(settings.units), uids)
    return JournalSource(intake, trusted, intake.scanner(settings.dialects), since)


def _uid(account: str | int) -> int:
    if isinstance(account, int):
        return account
    try:
        return pwd.getpwnam(account).pw_uid
    except KeyError:
        raise ConfigError(f"there is no account {account!r} on this host") from None
