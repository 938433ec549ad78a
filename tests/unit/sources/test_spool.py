"""The drop box: whose word counts, and what is read when."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from poplock.core.clock import FakeClock
from poplock.core.errors import StoreError
from poplock.core.events import Event
from poplock.sources.spool import SpoolSource
from poplock.sources.watch import Watch
from tests.conftest import make_intake

WHOLE = "poplock 1\nip 203.0.113.9\nservice pop3\ntls unknown\nuser {}\nend\n"


def source(folder: Path, *trusted: str, age: float = 0.0) -> SpoolSource:
    newest = max((f.stat().st_mtime for f in folder.iterdir()), default=0.0)
    return SpoolSource(make_intake(FakeClock(newest + age)), folder, trusted)


def drop(folder: Path, text: str | bytes, name: str = "login.1", uid: int | None = None) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.utime(path, (1_800_000_000, 1_800_000_000))
    if uid is not None:
        os.chown(path, uid, -1)
    return path


def test_the_kernel_says_when_it_was(tmp_path: Path) -> None:
    login = source(tmp_path).read(drop(tmp_path, WHOLE.format("ann")))
    assert login is not None
    assert (login.time, str(login.ip), login.user) == (1_800_000_000, "203.0.113.9", "ann")


def test_an_owner_is_believed_about_himself_and_about_others_if_he_is_trusted(
    tmp_path: Path,
) -> None:
    path = drop(tmp_path, WHOLE.format("ann"), uid=1)  # daemon, on every Debian
    with pytest.raises(ValueError, match="may not speak"):
        source(tmp_path).read(path)
    assert source(tmp_path, "daemon").read(path) is not None
    assert source(tmp_path).read(drop(tmp_path, WHOLE.format("daemon"), uid=1)) is not None


@pytest.mark.parametrize(
    "text",
    [
        WHOLE.format("ann").replace("poplock 1", "poplock 2"),
        WHOLE.format("ann").replace("203.0.113.9", "203.0.113.999"),
        WHOLE.format("ann").replace("pop3", "smtp"),
        WHOLE.format("ann").replace("service", "x\nservice"),
        WHOLE.format("a\x1bnn"),
        WHOLE.format(""),
        WHOLE.format("x" * 300),
        b"\xff" * 100 + b"\nend\n",
        "x" * 5000 + "\nend\n",
        "\nend\n",
    ],
)
def test_what_poplock_allow_would_not_write_is_refused(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(ValueError):  # which one is nobody's business
        source(tmp_path).read(drop(tmp_path, text))


def test_links_and_folders_are_refused(tmp_path: Path) -> None:
    outside = drop(tmp_path, WHOLE.format("ann"), "outside")
    (tmp_path / "login.soft").symlink_to(outside)
    (tmp_path / "login.hard").hardlink_to(outside)
    (tmp_path / "login.folder").mkdir()
    os.mkfifo(tmp_path / "login.fifo")
    for kind in ("soft", "hard", "folder", "fifo"):
        with pytest.raises(ValueError):
            source(tmp_path).read(tmp_path / f"login.{kind}")


def test_a_file_without_its_end_gets_a_minute(tmp_path: Path) -> None:
    path = drop(tmp_path, WHOLE.format("ann")[:-5])
    assert source(tmp_path, age=59).read(path) is None
    with pytest.raises(ValueError, match="cut off"):
        source(tmp_path, age=61).read(path)


def follow(
    folder: Path, until: Callable[[SpoolSource], bool], kept: Callable[[], Awaitable[None]]
) -> list[Event]:
    """Run a source until that is so; what it recorded."""
    seen: list[Event] = []
    spool = SpoolSource(make_intake(FakeClock(), seen, kept), folder, ())

    async def run() -> None:
        task = asyncio.create_task(spool.run(None))
        while not until(spool):  # noqa: ASYNC110
            await asyncio.sleep(0)
        task.cancel()

    asyncio.run(run())
    return seen


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def at_once() -> None: ...


async def full() -> None:
    raise StoreError("full")


def caught_up(spool: SpoolSource) -> bool:
    return spool.intake.health.caught_up


def test_more_files_than_a_batch_behind_as_many_that_have_no_end(tmp_path: Path) -> None:
    for number in range(1100):
        drop(tmp_path, "poplock 1\n", f"login.0{number}")
    for number in range(1100):
        drop(tmp_path, WHOLE.format("ann"), f"login.1{number}")
    assert len(follow(tmp_path, lambda _: len(files(tmp_path)) == 1100, at_once)) == 1100
    assert all(path.name.startswith("login.0") for path in files(tmp_path))


def test_files_stay_until_their_logins_are_on_disk(tmp_path: Path) -> None:
    drop(tmp_path, WHOLE.format("ann"))
    assert len(follow(tmp_path, caught_up, full)) == 1
    assert len(files(tmp_path)) == 1
    assert len(follow(tmp_path, lambda _: not files(tmp_path), at_once)) == 1


def test_a_login_counts_once_and_at_once_while_the_disk_takes_its_time(tmp_path: Path) -> None:
    async def for_ever() -> None:
        await asyncio.Event().wait()

    def both_seen(spool: SpoolSource) -> bool:
        if spool.intake.health.events == 1 and not (tmp_path / "login.2").exists():
            drop(tmp_path, WHOLE.format("bob"), "login.2")  # has the folder looked at again
        return spool.intake.health.events >= 2

    drop(tmp_path, WHOLE.format("ann"), "login.1")
    assert [event.user for event in follow(tmp_path, both_seen, for_ever)] == ["ann", "bob"]
    assert len(files(tmp_path)) == 2


def test_no_more_is_read_than_a_batch_while_nothing_can_be_kept(tmp_path: Path) -> None:
    for number in range(2500):
        drop(tmp_path, WHOLE.format("ann"), f"login.{number}")
    tries = 0

    async def still_full() -> None:
        nonlocal tries
        tries += 1
        await full()

    assert len(follow(tmp_path, lambda _: tries == 1, still_full)) == 1000


def test_a_file_is_looked_at_once_it_is_finished(tmp_path: Path) -> None:
    """Not when it is begun: it would be read too early, and again after a second only."""

    async def run() -> None:
        async with Watch(tmp_path, drop_box=True) as watch:
            watch.arm()
            with (tmp_path / "login.1").open("w") as file:
                file.write("poplock 1\n")
                file.flush()
                for _ in range(10):
                    await asyncio.sleep(0)
                assert not watch._changed.is_set()
            await watch._changed.wait()

    asyncio.run(run())
