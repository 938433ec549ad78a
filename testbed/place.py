"""Where a program runs on a network: on this machine's own, or in a network namespace.

A socket stays in the namespace that it was made in, whoever uses it. So a test may listen or
connect in any of them without leaving its own process: `in_network` makes the socket there.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .roots import TestbedError

_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
T = TypeVar("T")


def die_with_parent() -> None:
    """For `preexec_fn`: the program is killed when the test's process ends, however it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def in_network(pid: int, make: Callable[[], T]) -> T:
    """Call `make` in the network namespace of a process, in a thread that ends with it."""
    result: list[T] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
            try:
                if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(descriptor)
            result.append(make())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return result[0]


def namespace(arguments: Sequence[str]) -> tuple[subprocess.Popen[bytes], int]:
    """Start `unshare` with these arguments, a program that prints "ready"; and that one's pid."""
    child = subprocess.Popen(
        ["unshare", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=die_with_parent,
    )
    assert child.stdout is not None and child.stderr is not None
    if child.stdout.readline() != b"ready\n":
        raise TestbedError(f"cannot start a host: {child.stderr.read().decode()}")
    return child, int(Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()[0])


def end_namespace(child: subprocess.Popen[bytes]) -> None:
    """End it, and all that hangs on it."""
    child.kill()
    child.wait()
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()


@dataclass(frozen=True)
class Place:
    """One network and the address that programs have there."""

    address: str = "127.0.0.1"
    pid: int | None = None
    """A process in the namespace; None: this machine's own network."""

    @property
    def joining(self) -> list[str]:
        """What stands before a program so that it runs there."""
        return [] if self.pid is None else ["nsenter", "-t", str(self.pid), "-n"]

    def popen(self, argv: Sequence[str], **more: Any) -> Any:
        """Start a program there; it ends with the test's process."""
        more.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen([*self.joining, *argv], preexec_fn=die_with_parent, **more)

    def run(self, command: str) -> None:
        """Run a program there to its end; its last line of errors if it fails."""
        done = subprocess.run(
            [*self.joining, *command.split()], stdin=subprocess.DEVNULL, capture_output=True
        )
        if done.returncode != 0:
            raise TestbedError(f"{command}: {done.stderr.decode()}")

    def make(self, make: Callable[[], T]) -> T:
        """What `make` returns, called in that network."""
        return make() if self.pid is None else in_network(self.pid, make)

    def connect(self, port: int, seconds: float = 20) -> socket.socket:
        """A connection from there to there."""
        return self.make(lambda: socket.create_connection((self.address, port), seconds))

    def free_ports(self, apart: int = 0) -> int:
        """A port that nobody uses, and neither the one `apart` from it.

        Below the range from which the kernel takes the ports of outgoing connections: a server that
        was killed finds its port free when it starts again.
        """

        def free(port: int) -> bool:
            try:
                with socket.socket() as sock:
                    sock.bind((self.address, port))
            except OSError:
                return False
            return True

        def find() -> int:
            for _ in range(100):
                port = random.randint(11_000, 21_000)
                if free(port) and free(port + apart):
                    return port
            raise TestbedError(f"no free port on {self.address}")

        return self.make(find)


HERE = Place()
