"""What several benches share: rows, medians, the C programs, a real `poplock run` in a folder.

A row is a dictionary: `figure`, `ours`, `peer` (texts), `target` (text), `median`, `low`, `high`
(of the number that is compared with the target), `met`, and anything else worth keeping in JSON.
"""

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poplock.control import NobodyThereError, Status, ask
from poplock.core.addresses import Network
from poplock.core.clock import Mark, SystemClock
from poplock.core.grants import Grant, Session
from poplock.stores import Batch
from poplock.stores.sqlite import SqliteStore

from .forms import Form

HERE = Path(__file__).parent
BUILD = HERE / "build"
PATIENCE = 120.0  # seconds until a daemon that isn't ready, or a log not caught up, is an error

_CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU = _CPUS[0]
CLIENT_CPU = _CPUS[-1]  # the same where there is only one: ratios still mean something then

Row = dict[str, Any]


def row(
    figure: str,
    ours: str,
    peer: str,
    values: Sequence[float],
    *,
    most: float | None = None,
    least: float | None = None,
    **more: object,
) -> Row:
    """A figure from its values, one a round, with the target `<= most` or `>= least`."""
    middle = statistics.median(values)
    met = (most is None or middle <= most) and (least is None or middle >= least)
    target = f"≤{most:g}" if most is not None else f"≥{least:g}" if least is not None else "–"
    return {
        "figure": figure,
        "ours": ours,
        "peer": peer,
        "target": target,
        "median": middle,
        "low": min(values),
        "high": max(values),
        "met": met,
        **more,
    }


def pin(cpu: int) -> Callable[[], None]:
    """For subprocess's `preexec_fn`: keep the child on one processor."""
    return lambda: os.sched_setaffinity(0, {cpu})


def compiled(name: str) -> Path:
    """Build c/NAME.c where it is newer than the program."""
    source, program = HERE / "c" / f"{name}.c", BUILD / name
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        BUILD.mkdir(exist_ok=True)
        subprocess.run(["cc", "-O2", "-o", program, source], check=True)
    return program


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for(ready: Callable[[], bool], what: str, every: float = 0.02) -> None:
    """Look again and again until it is so."""
    end = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {PATIENCE:.0f} s")
        time.sleep(every)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


@contextmanager
def running(
    command: Sequence[object], cpu: int, log: Path | None = None, **env: object
) -> Iterator[int]:
    """A program on one processor, ended with SIGTERM; gives its process id."""
    with (log or Path(os.devnull)).open("wb") as errors:
        child = subprocess.Popen(
            [str(c) for c in command],
            stdout=errors,
            stderr=errors,
            env=os.environ
            | {"PYTHONPATH": str(HERE / "as_installed")}
            | {name: str(value) for name, value in env.items()},
            preexec_fn=pin(cpu),
        )
        try:
            yield child.pid
        finally:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


@dataclass(frozen=True)
class Place:
    """A folder for one daemon and where it is reached."""

    folder: Path
    port: int

    @property
    def log(self) -> Path:
        return self.folder / "mail.log"

    @property
    def store(self) -> Path:
        return self.folder / "poplock.db"

    @property
    def control(self) -> Path:
        return self.folder / "control.sock"

    def status(self) -> Row:
        return ask(self.control, Status())[0]

    def caught_up(self) -> bool:
        """Whether the log has been read to its end."""
        try:
            source = self.status()["sources"][0]
        except NobodyThereError:
            return False
        return bool(source["caught_up"]) and source["lag_bytes"] == 0

    def errors(self) -> str:
        """What the daemon said."""
        return (self.folder / "stderr").read_text(errors="replace")


@contextmanager
def place(
    *, dialects: Sequence[str] = ("dovecot",), more: str = "", answers: bool = True
) -> Iterator[Place]:
    """A fresh folder with a configuration: one log, one policy listener, one store, and more."""
    with tempfile.TemporaryDirectory(prefix="poplock-bench-") as name:
        here = Place(Path(name), free_port())
        # Half of the load's clients have no grant; their answers are to cost work, not time.
        answer = (
            f'[[answer]]\ntype = "postfix_policy"\nlisten = "inet:127.0.0.1:{here.port}"\n'
            "patience = 0\n"
        )
        (here.folder / "poplock.toml").write_text(
            f'[store]\npath = "{here.store}"\n'
            f'[control]\npath = "{here.control}"\n'
            f'[[source]]\ntype = "file"\npath = "{here.log}"\n'
            f"dialects = {json.dumps(list(dialects))}\n" + answer * answers + more
        )
        here.log.touch()
        yield here


@contextmanager
def daemon(here: Place, within: Sequence[str] = ()) -> Iterator[int]:
    """`poplock run`, once it answers; gives its process id. `within`: stands before the command."""
    command = [sys.executable, "-m", "poplock", "run", "--config", here.folder / "poplock.toml"]
    with running([*within, *command], SERVER_CPU, here.folder / "stderr") as pid:
        try:
            wait_for(lambda: _runs(here), "poplock run")
        except TimeoutError as error:
            raise RuntimeError(f"{error}\n{here.errors()}") from None
        yield pid


def _runs(here: Place) -> bool:
    """Whether the daemon has its sockets; the control socket is the last."""
    try:
        here.status()
    except NobodyThereError:
        return False
    return True


def address(number: int) -> str:
    """The granted clients of all benches: 20.a.b.c (c/load.c knows them too)."""
    return f"20.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def fill(here: Place, count: int, *, sessions: bool = False) -> None:
    """A store with `count` live grants, each its own user's and its own address's."""
    clock = SystemClock()
    store = SqliteStore(here.store, write=True)
    try:
        batch = Batch()
        for grant in _grants(count, clock.now(), f"file:{here.log}", sessions):
            batch.grants[grant.key] = grant
        store.commit(batch, Mark(clock.boot_id(), clock.uptime(), clock.now()))
    finally:
        store.close()


def _grants(count: int, now: float, source: str, sessions: bool) -> Iterable[Grant]:
    for i in range(count):
        ip = address(i)
        opened = (Session(session_id(i), now, now + 86_400),) if sessions else ()
        user = f"user{i}@example.org"
        network = Network(f"{ip}/32")
        yield Grant(network, user, source, None, now, now, now + 3600, (), opened)


def session_id(number: int) -> str:
    """As long as Dovecot's for IPv4."""
    return f"{number:08x}bench+AA"


def login_line(number: int, *, session: bool = True) -> bytes:
    """What Dovecot 2.3 writes through rsyslog at this moment."""
    stamp = time.strftime("%b %e %H:%M:%S")
    ident = f", session=<{session_id(number)}>" if session else ""
    return (
        f"{stamp} mx dovecot: imap-login: Login: user=<user{number}@example.org>, method=PLAIN,"
        f" rip={address(number)}, lip=192.0.2.25, mpid={1000 + number % 30_000}, TLS{ident}\n"
    ).encode()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(
    port: int,
    connections: int,
    seconds: float,
    grants: int,
    form: Form,
    within: Sequence[str] = (),
    *,
    awake: bool = False,
) -> Row:
    """One run of c/load.c. `within`: stands before the command. `awake`: it never sleeps."""
    numbers = [str(port), str(connections), str(seconds), str(grants)]
    how = [*form.load_arguments(), *["awake"] * awake]
    command = [*within, compiled("load"), *numbers, *how]
    done = subprocess.run(
        command, check=True, capture_output=True, timeout=PATIENCE, preexec_fn=pin(CLIENT_CPU)
    )
    result: Row = json.loads(done.stdout)
    return result
