"""A login told in two lines, with a rotation of the log between them."""

import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.daemon import Poplock
from tests.whole.test_two_lines import waiting


def rename(log: Path) -> None:
    log.rename(log.with_name("mail.log.1"))


def copytruncate(log: Path) -> None:
    shutil.copy(log, log.with_name("mail.log.1"))
    with log.open("r+") as file:
        file.truncate(0)


@pytest.mark.parametrize("rotate", [rename, copytruncate])
@pytest.mark.parametrize("end", [None, signal.SIGKILL, signal.SIGTERM])
def test_its_first_half_is_remembered(tmp_path: Path, rotate, end: int | None) -> None:  # type: ignore[no-untyped-def]
    log = tmp_path / "mail.log"

    def write(text: str) -> None:
        with log.open("a") as file:
            file.write(f"{time.strftime('%b %e %H:%M:%S')} mx gnu-pop3d[4712]: {text}\n")

    config = f"[[source]]\ntype = 'file'\npath = '{log}'\ndialects = ['gnu_pop3d']\n"
    with Poplock(tmp_path, config) as poplock:
        write("connect from 203.0.113.9")
        poplock.until(lambda: bool(waiting(tmp_path / "poplock.db")), "the first half is kept")
        if end is not None:
            poplock.end(end)
        rotate(log)
        write("User 'ann' logged in with mailbox '/var/mail/ann'")
        if end is not None:
            poplock.start()
        held = lambda: [(g["network"], g["user"]) for g in poplock.grants()]  # noqa: E731
        poplock.until(lambda: held() == [("203.0.113.9/32", "ann")], "the login")
        granted = [d for d in poplock.history() if d["event"] == "granted"]
        assert len(granted) == 1
