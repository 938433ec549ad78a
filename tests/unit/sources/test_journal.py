"""The journal's entries, whom they count for, and a journalctl that comes to all kinds of ends."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poplock.core.clock import FakeClock
from poplock.core.events import Event, Login, Logout
from poplock.dialects import load
from poplock.dialects.scanner import Scanner
from poplock.sources import journal
from poplock.sources.intake import Intake
from poplock.sources.journal import JournalSource, Reader, Trusted
from tests.conftest import make_intake

NOW = 1_800_000_000
LOGIN = "imap-login: Login: user=<ann>, method=PLAIN, rip=203.0.113.9, lip=192.0.2.1, session=<s1>"
LOGOUT = "imap(ann)<9><s1>: Disconnected: Logged out in=1 out=2"
TRUSTED = Trusted(frozenset({"dovecot.service"}), frozenset({0}))
BOOT = "dbd598795b4a453fbd4c5d0d19626ede"


def entry(number: int = 1, text: object = LOGIN, at: float = NOW, **more: object) -> bytes:
    """A line of journalctl's."""
    fields: dict[str, Any] = {
        "__CURSOR": f"s=1;i={number}",
        "__REALTIME_TIMESTAMP": str(int(at * 1e6)),
        "_BOOT_ID": BOOT,
        "_SYSTEMD_UNIT": "dovecot.service",
        "_UID": "0",
        "_PID": "42",
        "SYSLOG_IDENTIFIER": "dovecot",
        "MESSAGE": text,
        **more,
    }
    return json.dumps(fields).encode() + b"\n"


def events(*lines: bytes) -> list[Event]:
    return Scanner(load(["dovecot"])).feed(Reader(TRUSTED).read(b"".join(lines)), NOW)


def test_an_entry_is_a_line_with_journalds_own_time() -> None:
    (login,) = events(entry(at=NOW - 5.25, _SOURCE_REALTIME_TIMESTAMP=str(NOW * 1_000_000)))
    assert isinstance(login, Login)
    assert (login.time, str(login.ip), login.user) == (NOW - 5.25, "203.0.113.9", "ann")


def test_a_text_as_an_array_of_bytes_is_the_same_text() -> None:
    assert len(events(entry(text=list(LOGIN.encode())))) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"_SYSTEMD_UNIT": "other.service"},
        {"_SYSTEMD_UNIT": None},
        {"_SYSTEMD_UNIT": ["dovecot.service", "other.service"]},
        {"UNIT": "dovecot.service", "_SYSTEMD_UNIT": "init.scope"},
        {"_UID": "1000"},
        {"_UID": "00"},
        {"_UID": None},
        {"_UID": ["0", "1000"]},
        {"SYSLOG_IDENTIFIER": "logger"},
        {"SYSLOG_IDENTIFIER": None},
        {"SYSLOG_IDENTIFIER": ["dovecot", "logger"]},
        {"SYSLOG_IDENTIFIER": "x: dovecot"},
        {"text": None},
        {"text": [LOGIN, "x"]},
        {"text": [LOGIN]},
        {"text": [300]},
        {"text": [1, "x"]},
        {"text": f"x\n2027-01-15T08:00:00+00:00 mx dovecot: {LOGIN}"},
        {"text": {"a": LOGIN}},
        {"_PID": "1]: dovecot: x"},
        {"__REALTIME_TIMESTAMP": "soon"},
        {"__REALTIME_TIMESTAMP": "9" * 30},
        {"__REALTIME_TIMESTAMP": NOW},
        {"_BOOT_ID": "a b"},
    ],
    ids=str,
)
def test_whatever_is_not_the_units_own_single_word_counts_for_nobody(more: dict[str, Any]) -> None:
    assert events(entry(**more)) == []
    assert len(events(entry(1, **more), entry(2))) == 1  # and the next one isn't harmed


def test_without_uids_every_account_of_the_unit_counts() -> None:
    reader = Reader(Trusted(frozenset({"dovecot.service"})))
    assert reader.read(entry(_UID="1000"))


def test_two_halves_of_a_login_are_joined_by_boot_and_process_as_journald_saw_them() -> None:
    line = Reader(TRUSTED).read(entry(SYSLOG_PID="7", _PID="42", text="x"))
    assert line.endswith(b" " + BOOT.encode() + b" dovecot[42]: x\n")


@given(st.binary(max_size=300))
def test_any_bytes_are_no_more_than_skipped(data: bytes) -> None:
    assert Reader(TRUSTED).read(b"{" + data + b"\n") == b""


def test_deep_nesting_is_skipped() -> None:
    reader = Reader(TRUSTED)
    assert reader.read(b'{"a":' + b"[" * 60_000 + b"\n") == b""
    assert reader.skipped == 1


JOURNALCTL = """#!/bin/sh
cd {folder}
printf '%s\\n' "$*" >>calls
n=$(wc -l <calls)
test ! -e out.$n || cat out.$n
test ! -e err.$n || cat err.$n >&2
test ! -e status.$n || exit $(cat status.$n)
case "$*" in *--follow*) exec sleep 100;; esac
"""


class World:
    """A source, a journalctl that does what each test wants, and what came of it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        program = folder / "journalctl"
        program.write_text(JOURNALCTL.format(folder=folder))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        monkeypatch.setattr(journal, "_LEAST_PAUSE", 0.01)
        self.clock = FakeClock(wall=NOW)
        self.seen: list[Event] = []
        self.positions: list[str] = []
        self.intake = self._intake()

    def _intake(self) -> Intake:
        intake = make_intake(self.clock, self.seen)
        take = intake.take

        def noting(events: Any, position: str | None = None) -> None:
            take(events, position)
            if position is not None:
                self.positions.append(position)

        intake.take = noting  # type: ignore[method-assign]
        return intake

    def says(self, call: int, *lines: bytes, status: int | None = None, errors: str = "") -> None:
        """What the journalctl of that number (from 1) writes; without a status it goes on."""
        (self.folder / f"out.{call}").write_bytes(b"".join(lines))
        if errors:
            (self.folder / f"err.{call}").write_text(errors)
        if status is not None:
            (self.folder / f"status.{call}").write_text(str(status))

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def run(self, until: Callable[[], bool], position: str | None = None) -> None:
        async def story() -> None:
            source = JournalSource(self.intake, TRUSTED, Scanner(load(["dovecot"])), 600.0)
            task = asyncio.create_task(source.run(position))
            async with asyncio.timeout(20):
                while not until():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        asyncio.run(story())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_the_past_is_read_to_its_end_and_then_followed(world: World) -> None:
    world.says(1, entry(1))
    world.says(2, entry(1), entry(2, LOGOUT))
    world.run(lambda: len(world.seen) == 2)
    past, present = world.calls
    assert f"--since=@{NOW - 600}" in past.split()
    assert "--follow" not in past
    assert "--cursor=s=1;i=1" in present.split()
    assert "--follow" in present
    for call in (past, present):
        assert call.endswith(" _SYSTEMD_UNIT=dovecot.service _UID=0")
    assert [type(e) for e in world.seen] == [Login, Logout]  # the entry at the cursor once
    assert json.loads(world.positions[-1]) == {"cursor": "s=1;i=2"}
    assert world.intake.health.caught_up


def test_a_restart_goes_on_behind_the_last_entry(world: World) -> None:
    world.says(1, entry(7), entry(8, LOGIN.replace("ann", "bob")))
    world.run(lambda: bool(world.seen), '{"cursor": "s=1;i=7"}')
    assert "--cursor=s=1;i=7" in world.calls[0].split()
    assert [e.user for e in world.seen] == ["bob"]


def test_a_cursor_whose_entry_is_gone_costs_no_other(world: World) -> None:
    world.says(1, entry(9), entry(10, LOGOUT))
    world.run(lambda: len(world.seen) == 2, '{"cursor": "s=1;i=7"}')
    assert [type(e) for e in world.seen] == [Login, Logout]


def test_while_no_entry_has_come_a_restart_begins_where_the_first_start_did(world: World) -> None:
    world.run(lambda: len(world.calls) == 2)
    world.clock.advance(3600.0)
    world.run(lambda: len(world.calls) == 4, world.positions[-1])
    assert all(f"--since=@{NOW - 600}" in call.split() for call in world.calls)


def test_a_journalctl_that_dies_is_trouble_and_started_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_LEAST_PAUSE", 60.0)
    world.says(2, entry(1), status=3, errors="Journal file  is\ncorrupt\n")
    world.says(3, entry(1), entry(2, LOGOUT), errors="Hint: you see less than there is\n")
    world.run(lambda: str(world.intake.health.trouble).startswith("journalctl ended"))
    assert world.intake.health.trouble == "journalctl ended with status 3: Journal file is corrupt"
    world.run(lambda: len(world.seen) == 2, world.positions[-1])
    assert "--cursor=s=1;i=1" in world.calls[2].split()


def test_what_journalctl_complains_of_is_trouble_until_a_new_one_does_not(world: World) -> None:
    world.says(2, errors="Hint: You are currently not seeing messages from other users.\n")
    world.run(lambda: world.intake.health.trouble is not None)
    assert "not seeing messages" in str(world.intake.health.trouble)
    world.run(lambda: len(world.calls) == 4 and world.intake.health.trouble is None)


def test_a_cursor_that_journalctl_refuses_is_given_up(world: World) -> None:
    world.says(1, status=1, errors="Failed to seek to cursor: Invalid argument\n")
    world.says(2, entry(1))
    world.run(lambda: bool(world.seen), '{"cursor": "nonsense"}')
    assert f"--since=@{NOW - 600}" in world.calls[1].split()


def test_without_a_journalctl_there_is_trouble_and_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    world.run(lambda: world.intake.health.trouble is not None)
    assert world.intake.health.trouble == "cannot start journalctl: No such file or directory"


def test_an_old_login_counts_only_if_its_session_is_open_at_the_end(world: World) -> None:
    old = NOW - 7200
    world.says(1, entry(1, at=old), entry(2, LOGOUT, at=old + 60))
    world.says(2, entry(3, LOGIN.replace("s1", "s2")))
    world.run(lambda: bool(world.seen))
    assert [e.session for e in world.seen] == ["s2"]
    world.seen.clear()
    world.says(3, entry(1, LOGIN.replace("s1", "s3"), at=old))
    world.run(lambda: bool(world.seen))
    assert [(e.session, e.time) for e in world.seen] == [("s3", old)]
