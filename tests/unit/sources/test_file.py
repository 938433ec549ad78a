"""What a log's logins mean while it is being caught up, and what a restart remembers."""

import asyncio
import json
import time
from contextlib import suppress
from pathlib import Path

import pytest

from poplock.core.clock import SystemClock
from poplock.core.events import Event, Login
from poplock.dialects.model import ADDRESS, Body, Dialect, Head, Rule, address
from poplock.dialects.scanner import Scanner
from poplock.sources.file import FileSource, OldSessions
from poplock.sources.intake import Intake, Lent
from tests.conftest import login, logout

NOW = 1_800_000_000.0


def test_a_recent_login_counts_at_once() -> None:
    old = OldSessions(3600)
    recent = login(NOW - 60, session="s")
    assert old.pass_on([recent], NOW) == [recent]
    assert not old


def test_an_old_session_counts_if_it_ended_within_the_window() -> None:
    old = OldSessions(3600)
    first, end = login(NOW - 7200, session="s"), logout(NOW - 60, "s")
    assert old.pass_on([first], NOW) == []
    assert old.pass_on([end], NOW) == [first, end]


def test_an_old_session_that_ended_long_ago_never_counts() -> None:
    old = OldSessions(3600)
    assert old.pass_on([login(NOW - 9000, session="s"), logout(NOW - 8000, "s")], NOW) == []
    assert old.release() == []


def test_an_old_session_without_an_end_counts_when_the_log_is_read() -> None:
    old = OldSessions(3600)
    first = login(NOW - 7200, session="s")
    old.pass_on([first], NOW)
    assert old
    assert old.release() == [first]
    assert not old


def test_what_has_no_session_is_passed_on() -> None:
    old = OldSessions(3600)
    events = [login(NOW - 7200), logout(NOW, "unknown")]
    assert old.pass_on(events, NOW) == events


def _half(head: Head, body: Body) -> None:
    head.pending.put((b"two", head.host, head.pid), head.time, body[1])


def _second(head: Head, body: Body) -> Event | None:
    half = head.pending.take((b"two", head.host, head.pid), head.time)
    return half and Login(head.time, address(half[0]), body[1].decode(), "pop3")


TWO_LINES = Dialect(
    "two",
    (
        Rule("half", (b"pop",), rb"from ", rb"(" + ADDRESS + rb")", _half),
        Rule("login", (b"pop",), rb"user ", rb"([a-z]{1,32})", _second),
    ),
)


def line(text: str, pid: int, host: str = "mx", ago: float = 0.0) -> bytes:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - ago))
    return f"{stamp} {host} pop[{pid}]: {text}\n".encode()


def read_on(log: Path, position: str | None) -> tuple[list[Event], str | None]:
    """Run a new source over what the log holds, then kill it; events and the last position."""
    seen: list[Event] = []
    places = [position]

    def record(events: "list[Event]", place: "tuple[str, str] | None") -> None:
        seen.extend(events)
        if place is not None:
            places.append(place[1])

    async def nothing() -> None:
        pass

    async def run() -> None:
        lent = Lent(SystemClock(), record, lambda: 0, nothing, nothing, nothing)  # type: ignore[arg-type]
        source = FileSource(Intake("log", 3600.0, lent), log, Scanner([TWO_LINES]))
        task = asyncio.create_task(source.run(position))
        async with asyncio.timeout(20):
            while not source.intake.health.caught_up:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())
    return seen, places[-1]


def test_a_place_that_is_in_no_file_any_more_is_told_and_all_that_is_there_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "log"
    log.write_bytes(line("from 192.0.2.7", 1) + line("user ann", 1))
    _, position = read_on(log, None)
    assert caplog.text == ""
    log.unlink()
    log.write_bytes(line("from 192.0.2.8", 2) + line("user bob", 2))
    events, _ = read_on(log, position)
    assert [(str(e.ip), e.user) for e in events] == [("192.0.2.8", "bob")]
    assert f"{log}: where reading had stopped" in caplog.text


def test_a_login_is_known_though_the_reader_was_killed_between_its_two_lines(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    log.write_bytes(line("from 192.0.2.7", 1) + line("from 192.0.2.8", 2))
    events, position = read_on(log, None)
    assert events == []
    with log.open("ab") as file:
        file.write(line("user ann", 1))
    events, position = read_on(log, position)
    assert [(str(e.ip), e.user) for e in events] == [("192.0.2.7", "ann")]
    assert read_on(log, position)[0] == []
    with log.open("ab") as file:
        file.write(line("user eve", 1) + line("user bob", 2))
    events, position = read_on(log, position)
    assert [(str(e.ip), e.user) for e in events] == [("192.0.2.8", "bob")]
    assert position is not None
    assert "pending" not in json.loads(position)


def test_a_position_of_an_older_version_is_read_on_from(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(line("from 192.0.2.7", 1))
    _, position = read_on(log, None)
    assert position is not None
    older = json.loads(position)
    del older["pending"]
    with log.open("ab") as file:
        file.write(line("user ann", 1) + line("from 192.0.2.8", 2) + line("user bob", 2))
    events, _ = read_on(log, json.dumps(older))
    assert [(str(e.ip), e.user) for e in events] == [("192.0.2.8", "bob")]


@pytest.mark.parametrize(
    "lines",
    [
        [line("from 192.0.2.7", 1), line("user ann", 2)],
        [line("from 192.0.2.7", 1, "other"), line("user ann", 1)],
        [line("from 192.0.2.7", 1, ago=200), line("user ann", 1)],
        [line("user ann", 1), line("from 192.0.2.7", 1)],
        [line("from 192.0.2.777", 1), line("user ann", 1)],
        [line("from 192.0.2.7", 1), line("from 999.0.2.7", 1), line("user ann", 1)],
    ],
    ids=["other pid", "other host", "too old", "wrong order", "no address", "pid used again"],
)
def test_halves_that_do_not_belong_together_are_no_login(
    tmp_path: Path, lines: list[bytes]
) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"".join(lines))
    assert read_on(log, None)[0] == []


def test_sessions_that_run_at_once_are_told_apart_by_their_process(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(
        line("from 192.0.2.1", 1)
        + line("from 192.0.2.2", 2)
        + line("user bob", 2)
        + line("from 192.0.2.3", 2)
        + line("user ann", 1)
        + line("user eve", 2)
    )
    events, _ = read_on(log, None)
    assert [(str(e.ip), e.user) for e in events] == [
        ("192.0.2.2", "bob"),
        ("192.0.2.1", "ann"),
        ("192.0.2.3", "eve"),
    ]
