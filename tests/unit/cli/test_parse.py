"""`poplock parse` as a user meets it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from poplock.cli.parse import command
from poplock.core.errors import PoplockError

LOGIN = (
    b"Nov 24 10:00:00 mx dovecot: imap-login: Login: user=<ann>, method=PLAIN, rip=203.0.113.9,"
    b" lip=192.0.2.1, mpid=1, TLS, session=<s1>\n"
)
NOISE = b"Nov 24 10:00:00 mx postfix/qmgr[1]: 4X: removed\n"


def parse(tmp_path: Path, data: bytes, *options: str) -> Result:
    log = tmp_path / "mail.log"
    log.write_bytes(data)
    return CliRunner().invoke(command, [str(log), *options])


def test_json_has_the_promised_keys(tmp_path: Path) -> None:
    result = parse(tmp_path, NOISE + LOGIN, "--json")
    row = json.loads(result.stdout)
    assert row.pop("time").endswith("Z")
    assert row.pop("file").endswith("mail.log")
    assert row == {
        "line": 2,
        "event": "login",
        "ip": "203.0.113.9",
        "user": "ann",
        "service": "imap",
        "tls": True,
        "session": "s1",
        "dialect": "dovecot",
    }
    assert result.exit_code == 0


def test_line_numbers_hold_over_blocks_and_long_lines(tmp_path: Path) -> None:
    data = (NOISE * 9 + LOGIN) * 1000
    rows = [json.loads(line) for line in parse(tmp_path, data, "--json").stdout.splitlines()]
    assert [row["line"] for row in rows] == list(range(10, 10_001, 10))


@pytest.mark.parametrize(
    "bad",
    [
        b"x" * 1_000_000 + b"\n",
        LOGIN[:-1] + b"y" * 1_000_000 + b"\n",
        b"\0" * 1000 + b"\n",
        LOGIN.replace(b"<ann>", b"<\xff\xfe>"),
        LOGIN.replace(b"<ann>", b"<a\0b>"),
        LOGIN[:70] + b"\n",
        LOGIN[70:],
    ],
)
def test_lines_that_are_broken_are_passed_over(tmp_path: Path, bad: bytes) -> None:
    result = parse(tmp_path, LOGIN + bad + LOGIN, "--json")
    assert len(result.stdout.splitlines()) == 2


def test_a_last_line_without_a_newline_counts(tmp_path: Path) -> None:
    assert len(parse(tmp_path, LOGIN[:-1]).stdout.splitlines()) == 1


def test_no_event_exits_1_and_near_misses_are_grouped(tmp_path: Path) -> None:
    odd = b"Nov 24 10:00:00 mx oddpop[%d]: login from 198.51.100.%d as user%d\n"
    result = parse(tmp_path, b"".join(odd % (i, i, i) for i in range(5)))
    assert result.exit_code == 1
    assert "5 × oddpop[N]: login from ADDRESS as userN" in result.stderr


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, [str(tmp_path / "no.log")])
    assert isinstance(result.exception, PoplockError)
    assert "no.log: No such file" in str(result.exception)
