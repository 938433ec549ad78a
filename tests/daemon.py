"""A real `poplock run` for tests, and its command line."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from poplock.cli.demo import wait_until_ready
from poplock.control import Check, Grant, History, List, Request, Revoke, Status, ask

Popen = Callable[..., Any]

ROOT = Path(__file__).parent.parent


class Poplock:
    """One configuration, and the daemon that runs with it; may be killed and started again."""

    def __init__(self, folder: Path, config: str, popen: Popen = subprocess.Popen) -> None:
        self.folder = folder
        self.config = folder / "poplock.toml"
        self.control = folder / "control.sock"
        self.log = folder / "poplock.log"
        self._popen = popen
        self.child: Any = None
        self.config.write_text(
            f'[store]\npath = "{folder}/poplock.db"\n[control]\npath = "{self.control}"\n' + config
        )

    def __enter__(self) -> "Poplock":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self.child is not None:
            self.end(signal.SIGTERM)

    def start(self, **env: str) -> None:
        """Start, and return when it answers and has read its logs."""
        command = [sys.executable, "-m", "poplock", "run", "--config", str(self.config)]
        environment = {k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET"} | env
        with self.log.open("ab") as log:
            self.child = self._popen(command, stdout=log, stderr=log, env=environment)
        wait_until_ready(self.control, self.child, self.log)

    def end(self, number: int) -> int:
        """Send a signal, wait for the end; the exit status."""
        child, self.child = self.child, None
        child.send_signal(number)
        return int(child.wait(20))

    def run(self, *verb: str) -> subprocess.CompletedProcess[str]:
        """A verb of the command line."""
        return subprocess.run(
            [sys.executable, "-m", "poplock", *verb, "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=60,
        )

    def rows(self, *verb: str) -> list[dict[str, Any]]:
        """What a verb prints with --json."""
        return [json.loads(line) for line in self.run(*verb, "--json").stdout.splitlines()]

    def ask(self, request: Request) -> list[dict[str, Any]]:
        """What a verb is told by the daemon. For what is asked often: Python need not start."""
        return ask(self.control, request)

    def answer(self, ip: str) -> str:
        """What `poplock check` begins with: permit, none or unavailable."""
        (row,) = self.ask(Check(ip))
        return str(row["answer"])

    def status(self) -> dict[str, Any]:
        """The row of `poplock status`, from the daemon itself."""
        (row,) = self.ask(Status())
        return row

    def grants(self) -> list[dict[str, Any]]:
        """The rows of `poplock list`, from the daemon itself."""
        return self.ask(List())

    def history(self) -> list[dict[str, Any]]:
        """The rows of `poplock history`, from the daemon itself."""
        return self.ask(History())

    def give(self, ip: str, user: str, seconds: float = 600.0) -> None:
        """As `poplock grant` does."""
        self.ask(Grant(ip, user, seconds))

    def revoke(self, ip: str | None = None, user: str | None = None) -> None:
        """As `poplock revoke` does; everything where nothing is named."""
        self.ask(Revoke(ip, user))

    def until(self, true: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
        """Ask again and again until it holds."""
        deadline = time.monotonic() + seconds
        late = False
        while not true():
            if late:
                raise AssertionError(f"not within {seconds:.0f} s: {what}\n{self.log.read_text()}")
            time.sleep(0.02)
            late = time.monotonic() > deadline  # asked once more: the host may have been asleep
