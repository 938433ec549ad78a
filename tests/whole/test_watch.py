"""`poplock watch` on a terminal of its own and in a pipe, with a daemon that comes and goes."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Poplock

ALTERNATE, BACK = b"\x1b[?1049h", b"\x1b[?1049l"


@pytest.fixture
def poplock(tmp_path: Path) -> Iterator[Poplock]:
    with Poplock(tmp_path, "") as poplock:
        yield poplock


class Terminal:
    """`poplock watch` on a pseudo-terminal of 100 by 30; all it was sent is kept."""

    def __init__(self, poplock: Poplock) -> None:
        self.ours, self.its = pty.openpty()
        termios.tcsetwinsize(self.its, (30, 100))
        self.before = termios.tcgetattr(self.its)
        self.sent = b""
        self.child = subprocess.Popen(
            [sys.executable, "-m", "poplock", "watch", "--config", str(poplock.config)],
            stdin=self.its,
            stdout=self.its,
            stderr=self.its,
            env=os.environ | {"TERM": "xterm"},
            start_new_session=True,
        )

    def until(self, text: bytes, seconds: float = 30.0) -> bytes:
        """All that was sent since the last call, up to `text`."""
        deadline = time.monotonic() + seconds
        while text not in self.sent:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} was not shown: {self.sent!r}"
            if select.select([self.ours], [], [], left)[0]:
                self.sent += os.read(self.ours, 65_536)
        shown, _, self.sent = self.sent.partition(text)
        return shown

    def ended(self) -> int:
        """Its exit status; the terminal must be as it was."""
        self.until(BACK)
        status = self.child.wait(20)
        assert termios.tcgetattr(self.its) == self.before
        os.close(self.its)
        os.close(self.ours)
        return status


def test_the_view_follows_a_daemon_through_its_stop_and_leaves_the_terminal_clean(
    poplock: Poplock,
) -> None:
    poplock.give("203.0.113.9", "ann")
    terminal = Terminal(poplock)
    assert b"Traceback" not in terminal.until(ALTERNATE)
    shown = terminal.until(b"granted")
    assert b"203.0.113.9/32" in shown
    poplock.revoke(user="ann")
    terminal.until(b"revoked")
    poplock.end(signal.SIGTERM)
    terminal.until(b"no daemon listens on")
    poplock.start()
    poplock.give("203.0.113.77", "bob")
    terminal.until(b"203.0.113.77/32")
    os.write(terminal.ours, b"xq")
    assert terminal.ended() == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_a_clean_terminal(
    poplock: Poplock, number: signal.Signals, status: int
) -> None:
    terminal = Terminal(poplock)
    terminal.until(b"per second")
    terminal.child.send_signal(number)
    assert terminal.ended() == status


def test_in_a_pipe_each_thing_that_happens_is_a_line_and_a_restart_loses_none(
    poplock: Poplock,
) -> None:
    poplock.give("203.0.113.1", "before")
    command = [sys.executable, "-m", "poplock", "watch", "--config", str(poplock.config)]
    with (
        subprocess.Popen([*command, "--json"], stdout=-1, stderr=-1, text=True) as rows,
        subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as lines,
    ):
        assert rows.stdout and rows.stderr and lines.stdout and lines.stderr
        # Only what happens from now on is told: a marker, until both have seen one.
        for number, stream in ((2, rows.stdout), (3, lines.stdout)):
            while not select.select([stream], [], [], 0.2)[0]:
                poplock.give(f"203.0.113.{number}", "ready")
        poplock.end(signal.SIGTERM)
        assert "no daemon listens on" in rows.stderr.readline()
        poplock.start()
        poplock.give("203.0.113.9", "ann")
        poplock.revoke(user="ann")
        told = [json.loads(line) for line in iter(rows.stdout.readline, "") if _last(line, rows)]
        assert {row["user"] for row in told} == {"ready", "ann"}
        assert [row["event"] for row in told if row["user"] == "ann"] == ["granted", "revoked"]
        assert list(told[0]) == list(poplock.history()[0])
        plain = [line for line in iter(lines.stdout.readline, "") if _last(line, lines)]
        assert re.fullmatch(r"\S+Z\trevoked\t203\.0\.113\.9/32\tann\t.*\n", plain[-1])
        for child in (rows, lines):
            assert child.wait(20) == 0


def _last(line: str, child: "subprocess.Popen[str]") -> bool:
    """Told of the revocation, it has seen enough."""
    if "revoked" in line:
        child.send_signal(signal.SIGINT)
    return True
