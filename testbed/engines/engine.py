"""One process of Redis or Valkey: started, killed, stopped and asked by a test.

It is asked on a unix socket in its folder, as the user `testbed` whom every server has: that works
in any network, behind TLS, and whatever a test does to the other users.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ..place import HERE, Place
from ..roots import TestbedError, base, layer

ADMIN = "testbed"
"""The tests' own user, and its password."""

Self = TypeVar("Self", bound="Engine")


class Flavour(NamedTuple):
    """Which engine of which release."""

    name: str
    release: str

    def program(self, kind: str) -> list[str]:
        """The command for redis-server, redis-cli, ..., by its own loader and libraries."""
        packages = [f"{self.name}-{part}" for part in ("server", "sentinel", "tools")]
        above, below = layer(self.release, packages), base(self.release)
        (loader,) = below.glob("usr/lib*/ld-linux*.so*")
        folders = [f for root in (above, below) for f in sorted(root.glob("usr/lib/*-linux-gnu"))]
        libraries = ":".join(map(str, folders))
        return [str(loader), "--library-path", libraries, f"{above}/usr/bin/{self.name}-{kind}"]


FLAVOURS = {
    "redis-bookworm": Flavour("redis", "bookworm"),  # 7.0
    "redis-trixie": Flavour("redis", "trixie"),  # 8.0
    "valkey-trixie": Flavour("valkey", "trixie"),  # 8.1
}


class Engine:
    """A process with its folder and configuration; a context manager."""

    arguments: tuple[str, ...] = ()
    apart = 0
    """Another port that it takes is so far from the first."""

    def __init__(self, flavour: str, place: Place = HERE) -> None:
        self.flavour = FLAVOURS[flavour]
        self.place = place
        self.port = 0
        self._child: Any = None

    def configuration(self) -> str:
        """The text of its configuration file, once `port` and `folder` are known."""
        raise NotImplementedError

    def __enter__(self: Self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="engine-"))
        self._log = self.folder / "log"
        try:
            self._start_on_a_free_port()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process, and take its files away."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start_on_a_free_port(self) -> None:
        # Another test's server may take the port between our look and our start.
        for tries_left in (2, 1, 0):
            self.port = self.place.free_ports(self.apart)
            (self.folder / "conf").write_text(
                f"port {self.port}\nbind {self.place.address}\nprotected-mode no\n"
                f"unixsocket {self.folder}/socket\ndir {self.folder}\n" + self.configuration()
            )
            try:
                self.start()
                break
            except TestbedError as error:
                if not tries_left or "already in use" not in str(error):
                    raise

    def start(self) -> None:
        """Start it, and return when it answers."""
        command = [*self.flavour.program("server"), f"{self.folder}/conf", *self.arguments]
        with self._log.open("ab") as log:
            self._child = self.place.popen(command, stdout=log, stderr=log)
        self.until(lambda: self._ask("PING").stdout == "PONG\n", "it answers")

    def kill(self) -> None:
        """kill -9, if it runs."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def stop(self) -> None:
        """SIGSTOP: its connections stay, and nothing comes from it."""
        self._child.send_signal(signal.SIGSTOP)

    def cont(self) -> None:
        """SIGCONT after `stop`."""
        self._child.send_signal(signal.SIGCONT)

    @property
    def running(self) -> bool:
        """Whether there is such a process (a stopped one, too)."""
        return self._child is not None and self._child.poll() is None

    @property
    def process_id(self) -> int:
        """Of the server itself, while it runs here."""
        return int(self._child.pid)

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"{self.place.address}:{self.port}"

    def cli(self, *command: str) -> str:
        """What redis-cli prints for a command; TestbedError for an error."""
        asked = self._ask(*command)
        if asked.returncode != 0:
            raise TestbedError(f"{' '.join(command)}: {asked.stdout}{asked.stderr}")
        return asked.stdout.rstrip("\n")

    def _ask(self, *command: str) -> subprocess.CompletedProcess[str]:
        who = ["-s", f"{self.folder}/socket", "--user", ADMIN, "--pass", ADMIN]
        argv = [*self.flavour.program("cli"), *who, "--no-auth-warning", "-e", *command]
        return subprocess.run(argv, capture_output=True, text=True, timeout=30)

    def facts(self, section: str) -> dict[str, str]:
        """A section of INFO."""
        rows = (row.partition(":") for row in self.cli("INFO", section).splitlines())
        return {name: value for name, colon, value in rows if colon}

    def until(self, true: Callable[[], bool], what: str, seconds: float = 20) -> None:
        """Until it holds; TestbedError with the log if that takes too long or the process ends."""
        deadline = time.monotonic() + seconds
        while not true():
            late = time.monotonic() > deadline
            if late or not self.running:
                why = f"not within {seconds:.0f} s" if late else "it ended before that"
                raise TestbedError(f"{what}: {why}\n{self._log.read_text()[-3000:]}")
            time.sleep(0.005)
