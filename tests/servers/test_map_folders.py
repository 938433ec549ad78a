"""A map's folder that fills up or turns read-only: a real filesystem of a few pages.

One daemon with a map of every type and form in it. The old maps stay whole, `status` says what is
wrong, all of it mends itself; and who is left alone is closed by `poplock maps sweep`, for which a
full folder has room enough.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from poplock.control import Grant
from poplock.core.errors import PoplockError
from testbed.place import end_namespace, namespace
from tests.contract.test_maps import ALL
from tests.daemon import Poplock

FIRST, SECOND = "203.0.113.9", "203.0.113.10"
SIZE = "2m"


class Folder:
    """The filesystem, in a mount namespace of its own, and the daemon that writes there."""

    def __init__(self, path: Path, pid: int, folder: Path) -> None:
        self.path = path
        self._pid = pid
        self._seen = Path(f"/proc/{pid}/root{path}")
        self._copy = folder / "copy"
        self.maps = {}
        config = ""
        for number, (kind, (settings, read, _)) in enumerate(ALL.items()):
            made = settings(path)
            name = Path(made.path)
            # One folder for all of them: each needs a name of its own.
            made = msgspec.structs.replace(made, path=str(name.with_stem(f"m{number}")))
            self.maps[kind] = (Path(made.path).name, read)
            config += f'[[map]]\ntype = "{kind.partition(" ")[0]}"\npath = "{made.path}"\n'
            config += f'form = "{kind.partition(" ")[2]}"\n' if " " in kind else ""
        self.poplock = Poplock(folder, config, self.popen)

    def popen(self, argv: list[str], **more: Any) -> Any:
        return subprocess.Popen(["nsenter", "-t", str(self._pid), "-m", *argv], **more)

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        command = ["nsenter", "-t", str(self._pid), "-m", *argv]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def sweep(self) -> subprocess.CompletedProcess[str]:
        """What the timer does two hours later."""
        later = ["unshare", "--time", "--boottime", "7200", sys.executable, "-m", "poplock"]
        return self.run(*later, "maps", "sweep", "--config", str(self.poplock.config))

    def fill(self) -> None:
        self.run("dd", "if=/dev/zero", f"of={self.path}/fill", "bs=4096")

    def drain(self) -> None:
        self.run("rm", f"{self.path}/fill")

    def grants(self) -> dict[str, int]:
        """How many each map holds."""
        found = {}
        for kind, (name, read) in self.maps.items():
            seen = self._seen / name
            if seen.is_file():  # SQLite would follow the link that leads into the namespace
                seen = Path(shutil.copy(seen, self._copy))
            found[kind] = len(read(seen))
        return found

    def all_hold(self, number: int) -> bool:
        return set(self.grants().values()) == {number}

    def troubles(self) -> list[str]:
        (status,) = self.poplock.rows("status")
        return [str(text) for text in status["troubles"]]

    def all_in_trouble(self, why: str) -> bool:
        found = self.troubles()
        names = [str(self.path / name) for name, _ in self.maps.values()]
        return all(any(n in text and why in text for text in found) for n in names)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    path = tmp_path / "maps"
    path.mkdir()
    mount = f"mount -t tmpfs -o size={SIZE} tmpfs {path}; echo ready; exec sleep infinity"
    child, pid = namespace(["--mount", "--fork", "--kill-child", "sh", "-c", mount])
    try:
        made = Folder(path, pid, tmp_path)
        with made.poplock:
            made.poplock.run("grant", FIRST, "--user", "ann", "--for", "20h")
            assert made.all_hold(1), made.grants()
            yield made
    finally:
        end_namespace(child)


def test_a_full_folder_keeps_the_old_maps_and_mends_itself(folder: Folder) -> None:
    folder.fill()
    # Many, so that no map finds room for them in pages that it has already.
    for number in range(10, 30):
        with pytest.raises(PoplockError, match="No space left"):
            folder.poplock.ask(Grant(f"203.0.113.{number}", "bob", 3600.0))
    folder.poplock.until(lambda: folder.all_in_trouble("No space left"), "status says so")
    assert folder.all_hold(1), folder.grants()
    folder.drain()
    folder.poplock.until(lambda: folder.all_hold(21), "all maps are as they should be")
    assert folder.troubles() == []


def test_a_sweep_closes_the_maps_in_a_full_folder(folder: Folder) -> None:
    folder.poplock.end(signal.SIGKILL)
    folder.fill()
    done = folder.sweep()
    assert done.returncode == 0, done.stderr
    assert folder.all_hold(0), folder.grants()
    folder.drain()
    folder.poplock.start()
    assert folder.all_hold(1), folder.grants()


def test_a_folder_that_turns_read_only_keeps_the_old_maps_and_mends_itself(folder: Folder) -> None:
    path = str(folder.path)
    assert folder.run("mount", "--bind", path, path).returncode == 0
    assert folder.run("mount", "-o", "remount,bind,ro", path).returncode == 0
    done = folder.poplock.run("grant", SECOND, "--user", "bob")
    assert "Read-only" in done.stdout + done.stderr
    folder.poplock.until(lambda: folder.all_in_trouble("Read-only"), "status says so")
    assert folder.all_hold(1), folder.grants()
    swept = folder.sweep()  # which nobody can do; the timer's unit fails, and says why
    assert (swept.returncode, "Read-only" in swept.stderr) == (1, True)
    folder.run("umount", path)
    folder.poplock.until(lambda: folder.all_hold(2), "all maps are as they should be")
    assert folder.troubles() == []
