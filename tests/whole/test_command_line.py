"""The verbs, with the daemon and without it."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Poplock

SHOWN = ["network", "user", "granted_at", "last_login", "expires_at", "sessions", "source"]


@pytest.fixture
def poplock(tmp_path: Path) -> Iterator[Poplock]:
    with Poplock(tmp_path, "") as poplock:
        yield poplock


def test_a_grant_by_hand_is_shown_checked_and_revoked_by_its_user(poplock: Poplock) -> None:
    given = poplock.run("grant", "203.0.113.9", "--user", "ann", "--for", "10m")
    assert given.returncode == 0, given.stderr
    (row,) = poplock.rows("list")
    assert list(row) == SHOWN
    assert (row["network"], row["user"], row["source"]) == ("203.0.113.9/32", "ann", "manual")
    check = poplock.run("check", "203.0.113.9")
    assert check.returncode == 0
    assert "ann logged in from 203.0.113.9" in check.stdout
    assert poplock.run("check", "203.0.113.10").returncode == 1
    revoked = poplock.run("revoke", "--user", "ann")
    assert revoked.returncode == 0, revoked.stderr
    assert poplock.run("revoke", "--user", "ann").returncode == 1
    assert poplock.rows("list") == []
    (answer,) = poplock.rows("check", "203.0.113.9")
    assert "revoked" in answer["why"]
    assert [row["event"] for row in poplock.rows("history")] == ["granted", "revoked"]


def test_an_ipv6_client_is_widened_and_a_mapped_one_is_ipv4(poplock: Poplock) -> None:
    poplock.run("grant", "2001:db8:1:2:3::4", "--user", "ann", "--for", "10m")
    assert poplock.run("check", "2001:DB8:1:2::ffff").returncode == 0
    assert poplock.run("check", "2001:db8:1:3::4").returncode == 1
    poplock.run("grant", "::ffff:203.0.113.9", "--user", "bob", "--for", "10m")
    assert poplock.run("check", "203.0.113.9").returncode == 0
    assert [row["network"] for row in poplock.rows("list")] == [
        "2001:db8:1:2::/64",
        "203.0.113.9/32",
    ]


def test_without_the_daemon_the_verbs_work_on_the_store(poplock: Poplock) -> None:
    poplock.run("grant", "203.0.113.9", "--user", "ann", "--for", "10m")
    poplock.end(signal.SIGTERM)
    check = poplock.run("check", "203.0.113.9")
    assert check.returncode == 0
    assert "no daemon listens" in check.stderr
    assert len(poplock.rows("list")) == 1
    assert poplock.run("revoke", "203.0.113.9").returncode == 0
    given = poplock.run("grant", "203.0.113.77", "--user", "bob", "--for", "10m")
    assert given.returncode == 0, given.stderr
    poplock.start()
    assert [row["user"] for row in poplock.rows("list")] == ["bob"]


def test_replay_reports_and_leaves_the_daemon_alone(poplock: Poplock, tmp_path: Path) -> None:
    log = tmp_path / "old.log"
    line = "%s mx dovecot: pop3-login: Login: user=<ann>, method=PLAIN, rip=203.0.113.9, lip=::1\n"
    log.write_text("".join(line % f"2024-01-01T{hour:02}:00:00Z" for hour in (8, 10, 20)))
    (total, user, network) = poplock.rows("replay", str(log))
    assert (total["logins"], total["grants"], total["granted_seconds"]) == (3, 3, 3 * 3600)
    assert (user["user"], network["network"]) == ("ann", "203.0.113.9/32")
    assert "3 grants to 1 users in 1 networks: 3:00 h" in poplock.run("replay", str(log)).stdout
    assert poplock.rows("list") == poplock.rows("history") == []


def test_status_says_what_is_wrong_and_where(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    with Poplock(tmp_path, f"[[source]]\ntype = 'file'\npath = '{log}'\n") as poplock:
        (status,) = poplock.rows("status")
        assert status["health"] == "trouble"
        assert status["troubles"] == [f"{log}: No such file or directory"]
        text = poplock.run("status").stdout
        assert str(log) in text
        log.touch()
        poplock.until(lambda: poplock.rows("status")[0]["health"] == "ok", "the log is there")
    stopped = poplock.run("status")
    assert (stopped.returncode, "not running" in stopped.stdout) == (0, True)


def test_output_for_programs_is_whole_lines_with_tabs_and_no_colours(poplock: Poplock) -> None:
    poplock.run("grant", "203.0.113.9", "--user", "ann\x1b[31m", "--for", "10m")
    poplock.run("grant", "203.0.113.9", "--user", "ann", "--for", "10m")
    lines = poplock.run("list").stdout.splitlines()
    assert len(lines) == 1  # no name with control characters was taken
    assert lines[0].split("\t")[:2] == ["203.0.113.9/32", "ann"]


def test_maps_write_needs_a_daemon_and_maps_clear_does_not(tmp_path: Path) -> None:
    cdb = tmp_path / "smtp.cdb"
    with Poplock(tmp_path, f"[[map]]\ntype = 'cdb'\npath = '{cdb}'\n") as poplock:
        poplock.run("grant", "203.0.113.9", "--user", "ann", "--for", "10m")
        assert b"203.0.113.9" in cdb.read_bytes()
        assert poplock.run("maps", "write").returncode == 0
        poplock.end(signal.SIGKILL)
        assert b"203.0.113.9" in cdb.read_bytes()
        write = poplock.run("maps", "write")
        assert (write.returncode, "no daemon listens" in write.stderr) == (1, True)
        assert poplock.run("maps", "clear").returncode == 0
        assert b"203.0.113.9" not in cdb.read_bytes()


def test_what_ended_while_it_was_down_is_in_no_map_again(tmp_path: Path) -> None:
    cdb = tmp_path / "smtp.cdb"
    with Poplock(tmp_path, f"[[map]]\ntype = 'cdb'\npath = '{cdb}'\n") as poplock:
        poplock.run("grant", "203.0.113.9", "--user", "ann", "--for", "1s")
        poplock.end(signal.SIGKILL)
        poplock.until(lambda: poplock.run("check", "203.0.113.9").returncode == 1, "it has ended")
        poplock.start()
        assert b"203.0.113.9" not in cdb.read_bytes()
        events = lambda: [row["event"] for row in poplock.rows("history")]  # noqa: E731
        poplock.until(lambda: events() == ["granted", "expired"], "the history says so")


def test_config_show_prints_everything_with_the_defaults(poplock: Poplock) -> None:
    shown = json.loads(poplock.run("config", "show").stdout)
    assert shown["control"]["path"] == str(poplock.control)
    assert shown["policy"]["window"] == 3600
    assert poplock.run("config", "check").returncode == 0


SETUPS = {
    "postfix": ("[[answer]]\ntype = 'postfix_policy'\nlisten = 'inet:127.0.0.1:10031'\n", "{ def"),
    "dovecot": ("[[source]]\ntype = 'file'\npath = '/var/log/mail.log'\n", "/var/log/mail.log"),
    "courier": ("[[source]]\ntype = 'file'\npath = '/var/log/mail.log'\n", "/var/log/mail.log"),
    "journald": (
        "[[source]]\ntype = 'journal'\nunits = ['a.service']\nuids = [0]\n",
        "-n 5 _SYSTEMD_UNIT=a.service",
    ),
    "rsyslog": (
        "[[source]]\ntype = 'syslog'\nlisten = ['udp:127.0.0.1:514', 'unixgram:/run/x']\n",
        "$OMUxSockSocket /run/x",
    ),
    "qmail": ("[[map]]\ntype = 'cdb'\npath = '/etc/tcp.smtp.cdb'\n", "-x /etc/tcp.smtp.cdb"),
}


@pytest.mark.parametrize("name", SETUPS)
def test_setup_prints_the_lines_of_this_configuration_or_what_it_lacks(
    tmp_path: Path, name: str
) -> None:
    section, line = SETUPS[name]
    result = Poplock(tmp_path, "").run("setup", name)
    assert (result.returncode, "add to it" in result.stderr) == (1, True)
    result = Poplock(tmp_path, section).run("setup", name)
    assert result.returncode == 0
    assert line in result.stdout


def test_the_demo_comes_out_right_and_cleans_up(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "poplock", "demo"],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path), "LC_ALL": "C.UTF-8"},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    table = result.stdout[result.stdout.index("a relay attempt") :].splitlines()[2:7]
    assert [row.split()[-1] for row in table] == ["yes"] * 5
    assert "ann@example.org logged in from 203.0.113.9" in result.stdout
    assert list(tmp_path.iterdir()) == []
