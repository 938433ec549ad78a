"""What systemd hears."""

import os
import socket
from pathlib import Path

import pytest

from poplock.net.sdnotify import notify, watchdog_seconds


def test_lines_are_one_datagram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        notify("READY=1", "STATUS=Answering; 3 grants")
        assert systemd.recv(200) == b"READY=1\nSTATUS=Answering; 3 grants"


def test_an_abstract_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0poplock-test-{os.getpid()}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@poplock-test-{os.getpid()}")
        notify("STOPPING=1")
        assert systemd.recv(200) == b"STOPPING=1"


def test_without_systemd_or_with_one_that_is_gone_nothing_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify("READY=1")


@pytest.mark.parametrize(
    ("microseconds", "pid", "seconds"),
    [("30000000", "", 30.0), ("30000000", "me", 30.0), ("30000000", "1", None), ("", "", None),
     ("x", "", None)],
)  # fmt: skip
def test_the_watchdog_is_for_whom_it_names(
    microseconds: str, pid: str, seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "me" else pid)
    assert watchdog_seconds() == seconds
