"""`poplock parse --explain`, `--time`, `--config`: the pattern tester."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from poplock.cli.parse import command
from poplock.core.errors import ConfigError, PoplockError
from poplock.dialects import DIALECTS, load
from poplock.dialects.explain import explain
from tests.contract.test_dialects import HALF, SAMPLES, samples

COURIER = "mx pop3d: LOGIN, user={}, ip=[::ffff:203.0.113.9], port=[2]"


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime())


def run(*options: str, stdin: str = "") -> Result:
    return CliRunner().invoke(command, options, input=stdin)


def row(line: str, *options: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(run("--explain", line, "--json", *options).stdout)
    return result


def test_a_login_is_shown_with_what_the_policy_makes_of_it() -> None:
    result = run("--explain", now() + COURIER.format("ann"))
    assert result.exit_code == 0
    for shown in ("courier's login: read to the end", "203.0.113.9/32 may relay until", "ann"):
        assert shown in result.stdout


def test_the_place_is_marked_from_which_on_a_line_does_not_fit() -> None:
    result = run("--explain", now() + COURIER.format("a b"))
    lines = result.stdout.splitlines()
    mark = next(i for i, line in enumerate(lines) if line.strip() == "^")
    assert lines[mark - 1][lines[mark].index("^") :].startswith(" b, ip=")
    assert "expected here" in lines[mark + 1]
    assert "','" in lines[mark + 1]
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("hello", "no stamp was found"),
        ("Nov 34 10:00:00 " + COURIER.format("ann"), "names no moment"),
        (
            "Nov 24 10:00:00 mx postfix/qmgr[1]: 4X: removed",
            "listens to the program 'postfix/qmgr'",
        ),
        ("Nov 24 10:00:00 mx pop3d: hello", "begins with no words"),
        (
            "Nov 24 10:00:00 mx pop3d: LOGIN, user=ann, ip=[::ffff:203.0.113.999], port=[2]",
            "not appear to be an IPv4",
        ),
        ("Nov 24 10:00:00 mx gnu-pop3d[2]: connect from 192.0.2.7", "first half of a login"),
        ("Nov 24 10:00:00 mx vm-pop3d[2]: User 'ann' logged in", "second half of a login"),
        (
            "Nov 24 10:00:00 mx dovecot: imap-login: Login: user=<a>, rip=198.51.100.7, x=<b>,"
            " method=PLAIN, rip=203.0.113.5, lip=203.0.113.1",
            "doubts it",
        ),
    ],
)
def test_the_reason_is_said_why_a_line_is_no_login(line: str, why: str) -> None:
    found = row(line)
    assert found["event"] is None
    assert why in found["why"]


def test_a_program_of_another_name_is_noticed() -> None:
    found = row("Nov 24 10:00:00 mx oddpop: LOGIN, user=ann, ip=[192.0.2.7], port=[2]")
    assert "no dialect listens" in found["why"]
    assert found["elsewhere"] == ["courier"]


def test_a_login_that_earns_nothing_says_so() -> None:
    line = now() + "mx pop3d: LOGIN, user=ann, ip=[::ffff:127.0.0.1], port=[2]"
    assert "127.0.0.0/8, which never earns" in row(line)["policy"]


def test_the_line_may_stand_in_a_file_or_on_standard_input(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("noise\n" + now() + COURIER.format("ann") + "\n")
    assert row(f"{log}:2")["user"] == "ann"
    result = run("--explain", "-", "--json", stdin=now() + COURIER.format("bob") + "\n")
    assert json.loads(result.stdout)["user"] == "bob"
    missing = run("--explain", f"{log}:3")
    assert isinstance(missing.exception, PoplockError)
    assert "has no line 3" in str(missing.exception)


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"Nov 24 10:00:00 m\x1bx pop3d: LOGIN, user=\x1b[31m, ip=[192.0.2.7]\n")
    assert "\x1b" not in run("--explain", f"{log}:1").stdout
    log.write_bytes(b"Nov 24 10:00:00 mx pop3d: LOGIN, user=\x1b[31m, ip=[192.0.2.7]\n")
    assert "\x1b" not in run("--explain", f"{log}:1").stdout


@pytest.mark.parametrize("name", DIALECTS)
def test_it_agrees_with_the_scanner_on_every_sample(name: str) -> None:
    dialects = load(DIALECTS)
    told_in_two = any(rule.name == "half" for rule in load([name])[0].rules)
    for expected, line in samples(name):
        found = explain(line, dialects, time.time())
        if told_in_two:  # what came before a line is part of what it means
            assert found.event is not None or found.why
        elif expected is None or expected == HALF:
            assert found.event is None and found.why
        else:
            assert found.event is not None, (line, found.why)


def test_any_bytes_at_all_are_explained() -> None:
    dialects = load(DIALECTS)
    for path in SAMPLES.glob("*.log"):
        for number, line in enumerate(path.read_bytes().split(b"\n")[:12]):
            for cut in range(number, len(line), 17):  # at other places in each line
                assert explain(line[:cut], dialects, 1.8e9).why or cut
                explain(line[:cut] + b"\xff\x00" + line[cut:], dialects, 1.8e9)


CONFIG = """
[policy]
deny_users = ["eve"]
[[dialect]]
name = "odd"
tags = ["oddpop"]
service = "pop3"
login = ['^login from (?P<ip>[0-9a-fA-F.:]+) as (?P<user>[^ ]+)$']
"""


def test_dialects_and_policy_of_the_configuration_are_used(tmp_path: Path) -> None:
    path, log = tmp_path / "poplock.toml", tmp_path / "log"
    path.write_text(CONFIG)
    line = now() + "mx oddpop[1]: login from 203.0.113.9 as eve"
    found = row(line, "--config", str(path))
    assert (found["dialect"], found["ip"]) == ("odd", "203.0.113.9")
    assert found["policy"].startswith("nothing: ")
    found = row(line + " x", "--config", str(path))
    assert (found["read_to"], found["wanted"][-1]) == (len(line), "the end of the line")
    log.write_text(line + "\n")
    result = run(str(log), "--dialect", "odd", "--config", str(path), "--json")
    assert json.loads(result.stdout)["dialect"] == "odd"
    path.write_text(CONFIG.replace("[^ ]+)$", "[^ ]+)"))
    assert isinstance(run(str(log), "--config", str(path)).exception, ConfigError)


def test_the_summary_names_the_dialects_that_are_in_the_log_and_how_fast_each_reads_it(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    login = b"Nov 24 10:00:00 mx pop3d: LOGIN, user=ann, ip=[::ffff:203.0.113.9], port=[2]\n"
    apple = b"Nov 24 10:00:00 mx postfix/qmgr[1]: 4X: removed\n"
    log.write_bytes((login * 2 + apple) * 500)
    result = run(str(log), "--time")
    assert "1500 lines: 1000 logins" in result.stderr
    assert "  courier      1000 logins\n" in result.stderr
    timed = result.stderr.partition("the slowest first:\n")[2].splitlines()
    assert {line.split()[0] for line in timed} == set(DIALECTS)


def test_a_dialect_that_is_only_read_where_it_is_named_is_marked(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(next(line for e, line in samples("apple") if e) + b"\n")
    assert "apple        1 login  (read only where a source names it)" in run(str(log)).stderr


def test_an_unknown_dialect_is_wrong_usage(tmp_path: Path) -> None:
    result = run("x", "--dialect", "dovcot")
    assert result.exit_code == 2
    assert "there are dovecot" in result.stderr
