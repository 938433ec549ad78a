"""What is wrong is said in one line with file and line, exit 78, and nothing is changed."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon import Poplock

ANSWER = "[[answer]]\ntype = 'postfix_policy'\nlisten = '{}'\n"


def run(folder: Path, config: str) -> tuple[int, str]:
    """`poplock run` with a configuration that must end by itself."""
    poplock = Poplock(folder, config)
    result = poplock.run("run")
    return result.returncode, result.stderr


def test_no_configuration_at_all(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "poplock", "run", "--config", str(tmp_path / "no.toml")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert result.returncode == 78
    assert "no.toml: cannot read" in result.stderr
    assert "--config" in result.stderr


@pytest.mark.parametrize(
    ("section", "line", "says"),
    [
        ("[policy]\nwindw = 3\n", 6, "did you mean 'window'"),
        ("[policy\n", 5, "not TOML"),
        ("[policy]\nwindow = true\n", 6, "is no duration"),
        ("[policy]\nnever = ['300.1.1.1']\n", 6, "policy.never[0]: '300.1.1.1'"),
        ("[[source]]\ntype = 'file'\npath = '/nowhere/mail.log'\n", 7, "no folder /nowhere"),
        ("[[map]]\ntype = 'cdb'\npath = '/nowhere/smtp.cdb'\n", 7, "no folder /nowhere"),
        (ANSWER.format("unix:/nowhere/policy"), 7, "no folder /nowhere"),
        (ANSWER.format("inet:127.0.0.1:0"), 7, "is no socket"),
    ],
)
def test_a_wrong_configuration_stops_the_start(
    tmp_path: Path, section: str, line: int, says: str
) -> None:
    status, said = run(tmp_path, section)
    assert status == 78, said
    assert said.startswith(f"poplock: {tmp_path}/poplock.toml:{line}: "), said
    assert says in said
    assert said.count("\n") == 1
    assert [f.name for f in tmp_path.iterdir()] == ["poplock.toml"]


def test_an_address_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, said = run(tmp_path, ANSWER.format(f"inet:127.0.0.1:{port}"))
    assert status == 78
    assert said == (
        f"poplock: {tmp_path}/poplock.toml:7: answer[0].listen: cannot listen on 127.0.0.1"
        f" port {port}: Address already in use\n"
    )


def test_a_socket_where_another_program_listens_or_a_file_stands(tmp_path: Path) -> None:
    path = tmp_path / "policy.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        status, said = run(tmp_path, ANSWER.format(f"unix:{path}"))
        assert (status, "another program listens there" in said) == (78, True)
    path.unlink()
    path.write_text("somebody's")
    status, said = run(tmp_path, ANSWER.format(f"unix:{path}"))
    assert (status, "no socket is in the way" in said) == (78, True)
    assert path.read_text() == "somebody's"


def test_a_socket_that_a_killed_daemon_left_is_taken_over(tmp_path: Path) -> None:
    with Poplock(tmp_path, ANSWER.format(f"unix:{tmp_path}/policy.sock")) as poplock:
        poplock.end(signal.SIGKILL)
        assert (tmp_path / "policy.sock").is_socket()
        poplock.start()
        assert poplock.status()["health"] == "ok"


def test_a_second_daemon_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with Poplock(tmp_path, "") as first:
        elsewhere = tmp_path / "second"
        elsewhere.mkdir()
        second = Poplock(elsewhere, "")
        second.config.write_text(
            f"[store]\npath = '{tmp_path}/poplock.db'\n[control]\npath = '{elsewhere}/c'\n"
        )
        result = second.run("run")
        assert result.returncode == 1
        assert "in use by a running poplock" in result.stderr
        assert first.status()["health"] == "ok"


def test_a_foreign_store_is_left_untouched(tmp_path: Path) -> None:
    store = tmp_path / "poplock.db"
    store.write_bytes(b"not a database, but somebody's thesis\n" * 100)
    before = store.read_bytes()
    status, said = run(tmp_path, "")
    assert status == 1
    assert str(store) in said
    assert store.read_bytes() == before


def test_no_permission_is_said_before_anything_starts(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text("secret\n")
    log.chmod(0)
    poplock = Poplock(tmp_path, f"[[source]]\ntype = 'file'\npath = '{log}'\n")
    # Root may read everything, unless it lays that right down.
    lay_down = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    result = subprocess.run(
        [
            *(lay_down if os.geteuid() == 0 else []),
            *(sys.executable, "-m", "poplock", "run", "--config", str(poplock.config)),
        ],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert result.returncode == 78, result.stderr
    assert f"poplock.toml:7: source[0].path: no permission to read {log}" in result.stderr
    assert f"(running as uid {os.geteuid()})" in result.stderr


def test_an_unknown_verb_and_a_wrong_address_are_explained(tmp_path: Path) -> None:
    poplock = Poplock(tmp_path, "")
    result = poplock.run("lst")
    assert result.returncode == 2
    assert "Did you mean 'list'" in result.stderr
    with poplock:
        result = poplock.run("check", "203.0.113.999")
        assert result.returncode == 1
        assert result.stderr == "poplock: '203.0.113.999' is no IP address\n"


def test_garbage_on_the_control_socket_harms_nobody(tmp_path: Path) -> None:
    with Poplock(tmp_path, "") as poplock:
        for said in (
            b"\0\xff\n",
            b'{"verb":"fly"}\n',
            b"x" * 200_000 + b"\n",
            b'{"verb":"check"',
            b"",
        ):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(20)
                sock.connect(str(poplock.control))
                try:
                    sock.sendall(said)
                    sock.shutdown(socket.SHUT_WR)
                    reply = b"".join(iter(lambda: sock.recv(4096), b""))
                except (BrokenPipeError, ConnectionResetError):
                    reply = b""
                assert b"done" not in reply
        assert poplock.status()["health"] == "ok"
        assert "Traceback" not in poplock.log.read_text()
