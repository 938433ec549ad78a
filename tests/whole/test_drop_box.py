"""The drop box of `poplock-allow`: each login counts once, whenever the daemon is killed."""

import signal
from collections import Counter
from pathlib import Path

from tests.daemon import Poplock

FILE = "poplock 1\nip 203.0.113.{0}\nservice pop3\ntls unknown\nuser user{0}\nend\n"
ROUNDS, LOGINS = 6, 20


def test_no_login_is_lost_or_counted_twice_over_kills(tmp_path: Path) -> None:
    box = tmp_path / "box"
    box.mkdir()
    with Poplock(tmp_path, f'[[source]]\ntype = "spool"\npath = "{box}"\n') as poplock:
        for first in range(0, ROUNDS * LOGINS, LOGINS):
            for number in range(first, first + LOGINS):
                (box / f"login.{number}").write_text(FILE.format(number))
                if number == first + LOGINS // 2:  # some are on disk, some only taken
                    poplock.until(lambda: len(poplock.grants()) > 0, "a grant")
            poplock.end(signal.SIGKILL)
            poplock.start()
        poplock.until(lambda: not list(box.iterdir()), "all files taken away")
        expected = [f"user{number}" for number in range(ROUNDS * LOGINS)]
        assert sorted(g["user"] for g in poplock.grants()) == sorted(expected)
        granted = Counter(d["user"] for d in poplock.history() if d["event"] == "granted")
        assert granted == Counter(expected)
        (source,) = poplock.status()["sources"]
        assert source["skipped"] == 0


def test_a_login_from_before_a_revocation_is_no_grant_though_it_is_read_after_it(
    tmp_path: Path,
) -> None:
    box, away = tmp_path / "box", tmp_path / "login.1"
    box.mkdir()
    with Poplock(tmp_path, f'[[source]]\ntype = "spool"\npath = "{box}"\n') as poplock:
        away.write_text(FILE.format(1))
        poplock.revoke()
        away.rename(box / "login.1")  # with the time at which it was written
        (box / "login.2").write_text(FILE.format(2))
        poplock.until(lambda: not list(box.iterdir()), "both files taken away")
        assert [g["user"] for g in poplock.grants()] == ["user2"]
