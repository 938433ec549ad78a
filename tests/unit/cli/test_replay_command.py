"""`poplock replay` as a user meets it."""

import bz2
import gzip
import json
import lzma
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from poplock.cli.replay import command
from poplock.core.errors import PoplockError

CONFIG = """
[policy]
never_own = false
[store]
path = "{folder}/poplock.db"
[[source]]
type = "file"
path = "/var/log/mail.log"
name = "mail"
[[source]]
type = "file"
path = "/var/log/qmail.log"
name = "short"
window = "10m"
services = ["pop3"]
dialects = ["dovecot"]
"""
LOGIN = (
    b"%b mx dovecot: imap-login: Login: user=<%b>, method=PLAIN, rip=%b,"
    b" lip=192.0.2.1, mpid=1, TLS\n"
)


def at(clock: bytes, user: bytes = b"ann", ip: bytes = b"203.0.113.9") -> bytes:
    return LOGIN % (b"2024-02-29T" + clock + b"Z", user, ip)


def replay(tmp_path: Path, *arguments: str) -> Result:
    config = tmp_path / "poplock.toml"
    config.write_text(CONFIG.format(folder=tmp_path))
    return CliRunner().invoke(command, ["--config", str(config), *arguments])


def rows(result: Result, kind: str) -> list[Any]:
    assert result.exit_code == 0, result.output
    found = [json.loads(line) for line in result.stdout.splitlines()]
    return [row for row in found if row["row"] == kind]


@pytest.fixture
def log(tmp_path: Path) -> str:
    path = tmp_path / "mail.log"
    path.write_bytes(at(b"10:00:00") + at(b"10:30:00") + at(b"12:00:00", b"bob"))
    return str(path)


def test_the_report_is_by_user_and_by_network(tmp_path: Path, log: str) -> None:
    result = replay(tmp_path, log, "--json")
    (total,) = rows(result, "total")
    assert total["first"] == "2024-02-29T10:00:00Z"
    assert (total["logins"], total["grants"], total["peak"]) == (3, 2, 1)
    assert [(r["user"], r["granted_seconds"]) for r in rows(result, "user")] == [
        ("ann", 5400),
        ("bob", 3600),
    ]
    assert [r["network"] for r in rows(result, "network")] == ["203.0.113.9/32"]


def test_people_get_tables_and_the_store_is_not_touched(tmp_path: Path, log: str) -> None:
    result = replay(tmp_path, log)
    assert result.exit_code == 0
    assert "2 grants to 2 users in 1 networks: 2:30 h in all, the longest 1:30 h" in result.stdout
    assert "3 lines, 2024-02-29T10:00:00Z to 2024-02-29T12:00:00Z: 3 logins" in result.stdout
    assert not (tmp_path / "poplock.db").exists()


def test_a_source_brings_its_own_rules(tmp_path: Path, log: str) -> None:
    result = replay(tmp_path, log, "--json", "--source", "short")
    (ignored,) = rows(result, "ignored")
    assert ignored["reason"] == "service imap earns no grant here (services)"


def test_a_source_that_is_not_there_is_named_with_those_that_are(tmp_path: Path, log: str) -> None:
    result = replay(tmp_path, log, "--source", "x")
    assert isinstance(result.exception, PoplockError)
    assert "no source 'x'" in str(result.exception)
    assert "mail, short" in str(result.exception)


def test_since_and_until_bound_the_events(tmp_path: Path, log: str) -> None:
    bounds = ["--since", "2024-02-29T10:15:00Z", "--until", "2024-02-29T11:00:00Z"]
    (total,) = rows(replay(tmp_path, log, "--json", *bounds), "total")
    assert (total["logins"], total["granted_seconds"]) == (1, 3600)


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_rotated_files_are_one_log(tmp_path: Path, suffix: str, compress: Any) -> None:
    old, new = tmp_path / f"mail.log.1{suffix}", tmp_path / "mail.log"
    old.write_bytes(compress(at(b"10:00:00")))
    new.write_bytes(at(b"10:30:00")[:-1])  # the last line is being written
    (total,) = rows(replay(tmp_path, str(old), str(new), "--json"), "total")
    assert (total["logins"], total["grants"], total["granted_seconds"]) == (2, 1, 5400)


def test_a_wrong_order_is_remarked(tmp_path: Path) -> None:
    old, new = tmp_path / "1", tmp_path / "0"
    old.write_bytes(at(b"08:00:00"))
    new.write_bytes(at(b"10:30:00"))
    result = replay(tmp_path, str(new), str(old))
    assert "1 events of" in result.stderr
    assert "name the oldest file first" in result.stderr


def test_stamps_without_a_year_are_seen_from_when_the_file_was_written(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_bytes(LOGIN % (b"Feb 29 10:00:00", b"ann", b"203.0.113.9"))
    os.utime(log, (1_456_790_000, 1_456_790_000))  # 1 March 2016
    (total,) = rows(replay(tmp_path, str(log), "--json"), "total")
    assert total["first"].startswith("2016-02-29T")


def test_a_broken_archive_is_named(tmp_path: Path) -> None:
    for data in (b"no archive", gzip.compress(at(b"10:00:00") * 100)[:-20]):
        (tmp_path / "mail.log.gz").write_bytes(data)
        result = replay(tmp_path, str(tmp_path / "mail.log.gz"))
        assert isinstance(result.exception, PoplockError), result.output
        assert "mail.log.gz" in str(result.exception)


def test_names_of_strangers_do_not_reach_the_terminal_as_they_are(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_bytes(at(b"10:00:00", "a\u202eb".encode()))
    result = replay(tmp_path, str(log))
    assert "\u202e" not in result.stdout
    assert "\\x202e" in result.stdout
