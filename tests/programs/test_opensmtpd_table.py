"""table-poplock as smtpd runs it: standard input and output, and a daemon that comes and goes."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Poplock

CONFIG = """
[policy]
never = []
[[answer]]
type = "line"
listen = "unix:{folder}/line.sock"
patience = 0
"""


class Table:
    """The running program."""

    def __init__(self, path: Path) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-m", "poplock.opensmtpd_table", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.child.stdin and self.child.stdout
        self._in, self._out = self.child.stdin, self.child.stdout

    def say(self, line: str) -> None:
        self._in.write(line.encode() + b"\n")
        self._in.flush()

    def hear(self) -> str:
        return self._out.readline().decode().rstrip("\n")

    def check(self, key: str) -> str:
        self.say(f"table|0.1|1795603200.3|poplock|check|netaddr|7f|{key}")
        return self.hear().removeprefix("check-result|7f|").partition("|")[0]


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    table = Table(tmp_path / "line.sock")
    with table.child:
        try:
            yield table
        finally:
            table.child.kill()


def test_it_lives_through_the_daemons_end_and_answers_again_when_it_is_back(
    tmp_path: Path, table: Table
) -> None:
    for line in ("config|protocol|0.1", "config|tablename|poplock", "config|ready"):
        table.say(line)
    assert [table.hear(), table.hear()] == ["register|netaddr", "register|ready"]
    assert table.check("203.0.113.9") == "error"  # poplock has not been started yet
    with Poplock(tmp_path, CONFIG.format(folder=tmp_path)) as poplock:
        poplock.give("203.0.113.9", "ann")
        poplock.give("2001:db8::9", "ann")
        assert table.check("203.0.113.9") == "found"
        assert table.check("203.0.113.10") == "not-found"
        assert table.check("[2001:db8::77]") == "found"
        assert table.check("local") == "not-found"
        assert table.check("two words") == "not-found"
        poplock.end(signal.SIGKILL)
        assert table.check("203.0.113.9") == "error"
        poplock.start()
        assert table.check("203.0.113.9") == "found"


def test_what_it_does_not_understand_ends_nothing(table: Table) -> None:
    for line in ("", "x" * 10_000, "table|0.2|1|poplock|update|1", "config|protocol|9"):
        table.say(line)
    table.say("table|0.1|1|poplock|update|1")
    assert table.hear() == "update-result|1|ok"


def test_it_ends_when_smtpd_does(table: Table) -> None:
    assert table.child.stdin
    table.child.stdin.close()
    assert table.child.wait(20) == 0


@pytest.mark.parametrize("arguments", [[], ["relative"], ["/a", "/b"]])
def test_called_wrongly_it_says_how(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "poplock.opensmtpd_table", *arguments]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stderr[:6]) == (1, "usage:")
