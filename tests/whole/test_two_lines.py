"""A daemon that is killed between the two lines of a login, and an odd server's own dialect."""

import json
import signal
import sqlite3
import time
from pathlib import Path

from tests.daemon import Poplock

CONFIG = """
[[dialect]]
name = "oddpop"
tags = ["oddpop"]
service = "pop3"
login = ['^login from (?P<ip>[0-9a-fA-F.:]+) as (?P<user>[^ ]+)$']

[[source]]
type = "file"
path = "{log}"
"""


def stamp() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def granted(poplock: Poplock) -> set[tuple[str, str]]:
    return {(row["network"], row["user"]) for row in poplock.grants()}


def waiting(store: Path) -> object:
    """The first halves that are kept with the log's position."""
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT value FROM position").fetchall()
    return json.loads(rows[0][0]).get("pending") if rows else None


def test_a_login_counts_though_the_daemon_was_killed_between_its_lines(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.touch()

    def write(text: str) -> None:
        with log.open("a") as file:
            file.write(f"{stamp()} mx {text}\n")

    with Poplock(tmp_path, CONFIG.format(log=log)) as poplock:
        write("vm-pop3d[71]: Connect from 198.51.100.7")
        write("oddpop[1]: login from 198.51.100.8 as ann")
        poplock.until(lambda: bool(waiting(tmp_path / "poplock.db")), "the first half is kept")
        assert granted(poplock) == {("198.51.100.8/32", "ann")}
        poplock.end(signal.SIGKILL)
        write("vm-pop3d[71]: User 'bob' of 'example.org' logged in")
        write("vm-pop3d[72]: User 'eve' of 'example.org' logged in")
        poplock.start()
        both = {("198.51.100.7/32", "bob@example.org"), ("198.51.100.8/32", "ann")}
        poplock.until(lambda: granted(poplock) == both, "both are granted, eve isn't")
