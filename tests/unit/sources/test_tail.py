"""A log through its rotations: each line once, none lost."""

import gzip
import shutil
from pathlib import Path

import pytest

from poplock.sources.tail import Tail

GRACE = 5.0


class Log:
    """A log file, its rotations, and a reader whose clock the test moves."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "mail.log"
        self.now = 0.0
        self.number = 0
        self.got: list[int] = []
        self.tail = Tail(self.path, None, grace=GRACE)

    def write(self, count: int = 1, path: Path | None = None) -> None:
        with (path or self.path).open("a") as file:
            for _ in range(count):
                self.number += 1
                file.write(f"line {self.number} {'x' * (self.number % 7)}\n")

    def read(self, size: int = 50) -> None:
        while block := self.tail.read(size, self.now):
            self.got += [int(line.split()[1]) for line in block.splitlines()]

    def restart(self) -> None:
        position = self.tail.position
        self.tail.close()
        self.tail = Tail(self.path, position, grace=GRACE)

    def rotate(self) -> Path:
        """Rename, and create anew: logrotate's default."""
        for n in (3, 2, 1):
            older = self.path.with_name(f"mail.log.{n}")
            if older.exists():
                older.rename(self.path.with_name(f"mail.log.{n + 1}"))
        rotated = self.path.with_name("mail.log.1")
        self.path.rename(rotated)
        self.path.touch()
        return rotated

    def copytruncate(self) -> None:
        shutil.copy(self.path, self.path.with_name("mail.log.1"))
        with self.path.open("r+") as file:
            file.truncate(0)

    def check(self) -> None:
        assert sorted(self.got) == list(range(1, self.number + 1))


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_a_file_that_is_missing_at_the_start_is_read_when_it_comes(log: Log) -> None:
    log.read()
    log.write(3)
    log.read()
    log.check()


def test_a_line_counts_when_its_newline_is_there(log: Log) -> None:
    log.path.write_text("line 1")
    log.read()
    assert log.got == []
    with log.path.open("a") as file:
        file.write(" x\n")
    log.number = 1
    log.read()
    log.check()


def test_rename_and_create(log: Log) -> None:
    log.write(10)
    log.read()
    log.rotate()
    log.write(10)
    log.read()
    log.check()


def test_a_writer_that_goes_on_in_the_renamed_file_is_heard(log: Log) -> None:
    log.write(5)
    log.read()
    old = log.rotate()
    log.write(5, old)
    log.write(2)
    log.read()
    log.write(3, old)
    log.read()
    log.check()
    log.now += GRACE + 1
    log.read()
    assert len(log.tail._files) == 1


def test_the_position_stays_in_the_old_file_while_that_may_grow(log: Log) -> None:
    log.write(5)
    log.read()
    old = log.rotate()
    log.write(5)
    log.read()
    log.write(3, old)
    log.restart()
    log.read()
    assert set(log.got) == set(range(1, 14))  # some twice: merging makes them one


def test_copytruncate(log: Log) -> None:
    log.write(10)
    log.read()
    log.copytruncate()
    log.write(3)
    log.read()
    log.check()


def test_copytruncate_with_lines_that_were_not_read_yet(log: Log) -> None:
    log.write(10)
    log.read()
    log.write(5)
    log.copytruncate()
    log.write(3)
    log.read()
    log.check()


def test_a_truncated_file_that_has_grown_past_our_place_again(log: Log) -> None:
    log.write(3)
    log.read()
    log.copytruncate()
    log.write(200)
    log.read()
    log.check()


def test_recreation_after_a_removal(log: Log) -> None:
    log.write(4)
    log.read()
    log.path.unlink()
    log.read()
    log.write(4)
    log.read()
    log.check()


def test_a_restart_goes_on_where_it_ended(log: Log) -> None:
    log.write(10)
    log.read()
    log.write(10)
    log.restart()
    log.read()
    log.check()


@pytest.mark.parametrize("times", [1, 2, 3])
def test_rotations_while_nobody_looked(log: Log, times: int) -> None:
    log.write(10)
    log.read()
    for _ in range(times):
        log.write(5)
        log.rotate()
    log.write(5)
    log.restart()
    log.read()
    log.check()


def test_a_rotation_that_compressed_the_file_while_nobody_looked(log: Log) -> None:
    log.write(10)
    log.read()
    log.write(5)
    rotated = log.rotate()
    with gzip.open(rotated.with_name("mail.log.1.gz"), "wb") as packed:
        packed.write(rotated.read_bytes())
    rotated.unlink()
    log.write(5)
    log.restart()
    log.read()
    log.check()


@pytest.mark.parametrize("compressed", [False, True])
def test_an_empty_file_that_was_filled_and_rotated_while_nobody_looked(
    log: Log, compressed: bool
) -> None:
    log.path.touch()
    log.read()
    log.write(5)
    position = log.tail.position
    rotated = log.rotate()
    if compressed:
        with gzip.open(rotated.with_name("mail.log.1.gz"), "wb") as packed:
            packed.write(rotated.read_bytes())
        rotated.unlink()
    log.write(5)
    log.tail.close()
    log.tail = Tail(log.path, position, grace=GRACE)
    log.read()
    log.check()


def test_copytruncate_while_nobody_looked(log: Log) -> None:
    log.write(10)
    log.read()
    log.write(5)
    log.copytruncate()
    log.write(5)
    log.restart()
    log.read()
    log.check()


def test_a_lost_place_reads_all_that_is_there_and_says_so(log: Log) -> None:
    log.write(10)
    log.read()
    log.path.unlink()
    log.write(5)
    log.restart()
    assert log.tail.lost_place
    log.read()
    log.check()


def test_a_line_cut_in_the_middle_by_a_rotation_is_passed_over_and_counted(log: Log) -> None:
    log.write(3)
    with log.path.open("a") as file:
        file.write("line 99")
    log.read()
    log.rotate()
    log.write(3)
    log.read()
    log.now += GRACE + 1
    log.read()
    log.check()
    assert log.tail.skipped() == 1


def test_a_burst_at_the_boundary(log: Log) -> None:
    for _ in range(20):
        log.write(50)
        log.read(size=200)
        log.write(30)
        log.rotate()
        log.write(30)
        log.read(size=200)
        log.now += GRACE + 1
    log.read()
    log.check()


def test_something_that_is_no_file_is_not_read(log: Log) -> None:
    log.path.mkdir()
    log.read()
    assert log.got == []
