"""Two daemons, a real Redis, faults, and the checker over what was recorded; then the same with a
daemon that ignores what the store tells it: the checker names it."""

import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from poplock.control import Revoke
from poplock.control import ask as order
from poplock.core.errors import PoplockError
from testbed.engines import Server
from tests.daemon import Poplock
from tests.hosts.checker import Limits, check
from tests.hosts.history import Recorder, Told, Word

WINDOW = 3600.0
STALENESS = 2.0
LIMITS = Limits(max_staleness=STALENESS, skew=0.05)
"""Both hosts have this machine's clock."""

DEAF = """
from poplock.shared.following import Following
assert Following.changed
Following.changed = lambda *_: None
"""
"""The planted bug: a daemon that doesn't hear what was changed in the store."""

ROUNDS, AT_ONCE = 12, 4


class World:
    """A POP host that is told logins by WHOSON, an SMTP host that answers Postfix, their store."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder = folder
        self.server = server
        self.history = Recorder()
        self.pop = self._host("pop", '[[source]]\ntype = "whoson"\nlisten = ["unix:{}/tell"]\n')
        self.smtp = self._host(
            "smtp", '[[answer]]\ntype = "postfix_policy"\npatience = 0\nlisten = "unix:{}/ask"\n'
        )

    def _host(self, name: str, text: str) -> Poplock:
        folder = self.folder / name
        folder.mkdir()
        shared = f'[shared]\nnodes = ["{self.server.address}"]\nhost = "{name}"\n'
        shared += f'max_staleness = "{STALENESS:g}s"\ntimeout = "1s"\n'
        return Poplock(folder, shared + text.format(folder))

    @contextmanager
    def running(self, bug: str = "") -> Iterator[None]:
        """The SMTP host's daemon has `bug`."""
        (self.folder / "sitecustomize.py").write_text(bug)
        self.environment = {"PYTHONPATH": str(self.folder)} if bug else {}
        with self.pop:
            self.smtp.start(**self.environment)
            try:
                self.smtp.until(lambda: self._ask("198.51.100.1") == "none", "it answers")
                yield
            finally:
                self.smtp.end(signal.SIGTERM)

    def log_in(self, client: str) -> Told:
        def tell() -> Told:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(10)
                sock.connect(f"{self.pop.folder}/tell")
                sock.sendall(f"LOGIN {client} ann\r\n\r\n".encode())
                return "acknowledged" if sock.recv(100).startswith(b"+") else "unanswered"

        return self.history.login("pop", f"{client}/32", "ann", tell, window=WINDOW)

    def revoke(self, client: str, host: str = "pop") -> bool:
        def revoke() -> bool:
            daemon = self.pop if host == "pop" else self.smtp
            try:
                order(daemon.control, Revoke(ip=client))
            except PoplockError:
                return False
            return True

        return self.history.revoke(host, revoke, network=f"{client}/32")

    def ask(self, client: str) -> Word:
        return self.history.ask("smtp", f"{client}/32", partial(self._ask, client))

    def _ask(self, client: str) -> Word:
        try:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(10)
                sock.connect(f"{self.smtp.folder}/ask")
                sock.sendall(f"request=smtpd_access_policy\nclient_address={client}\n\n".encode())
                reply = sock.recv(4096)
        except OSError:
            return "unavailable"
        return {b"action=OK\n\n": "permit", b"action=DUNNO\n\n": "none"}.get(reply, "unavailable")  # type: ignore[return-value]

    def until(self, client: str, word: Word) -> None:
        self.smtp.until(lambda: self.ask(client) == word, f"{word} for {client}")

    def ask_for(self, client: str, seconds: float) -> None:
        """Ask again and again for so long."""
        over = self.history.clock() + seconds
        while self.history.clock() < over:
            self.ask(client)

    def round(self, number: int) -> None:
        """One client's story: nobody, permitted, revoked, back again."""
        client = f"203.0.113.{number}"
        self.ask(client)
        self.log_in(client)
        self.ask_for(client, 2 * LIMITS.skew)  # or it would be in doubt what came first
        self.revoke(client, "pop" if number % 2 else "smtp")
        self.ask_for(client, 2 * LIMITS.skew)
        self.until(client, "none")
        self.log_in(client)
        self.ask(client)


@contextmanager
def world_of(folder: Path, bug: str = "") -> Iterator[World]:
    with Server() as server:
        world = World(folder, server)
        with world.running(bug):
            yield world


def test_no_answer_of_two_hosts_contradicts_the_promises_through_faults(tmp_path: Path) -> None:
    with world_of(tmp_path) as world:
        over = threading.Event()

        def go_on() -> None:
            while not over.wait(0.01):
                for number in range(200, 204):
                    world.ask(f"203.0.113.{number}")

        with ThreadPoolExecutor(AT_ONCE + 1) as pool:
            for number in range(200, 203):
                world.log_in(f"203.0.113.{number}")  # and stays
            asking = pool.submit(go_on)
            list(pool.map(world.round, range(ROUNDS)))
            with world.history.trouble(None, "store", "the store was killed") as complete:
                world.server.kill()
                complete()
                world.until("203.0.113.200", "unavailable")
                world.log_in("203.0.113.203")
                world.server.start()
                for number in range(200, 204):
                    world.until(f"203.0.113.{number}", "permit")
            with world.history.trouble("smtp", "down", "the daemon was killed") as complete:
                world.smtp.end(signal.SIGKILL)
                complete()
                world.revoke("203.0.113.201")
                world.smtp.start()
                world.until("203.0.113.201", "none")
            with world.history.trouble(None, "store", "the store was emptied") as complete:
                world.server.cli("FLUSHALL")
                complete()
                world.until("203.0.113.200", "permit")
                world.until("203.0.113.201", "none")
            list(pool.map(world.round, range(ROUNDS, 2 * ROUNDS)))
            over.set()
            asking.result()
        words = [o.answer for o in world.history.operations if hasattr(o, "answer")]
        assert {"permit", "none", "unavailable"} == set(words)
        assert [str(found) for found in check(world.history, LIMITS)] == []


def test_a_daemon_that_ignores_invalidations_is_found(tmp_path: Path) -> None:
    client = "203.0.113.1"
    with world_of(tmp_path, DEAF) as world:
        world.log_in(client)
        world.ask_for(client, 2 * LIMITS.skew)
        assert world.revoke(client)
        world.ask_for(client, 2 * LIMITS.revoke_within)
        found = check(world.history, LIMITS)
        assert found
        assert {contradiction.answer.host for contradiction in found} == {"smtp"}
        words = str(found[0])
        assert f"smtp answered 'permit' for {client}/32" in words
        assert f"ann logged in from {client}/32 at pop (acknowledged)" in words
        assert f"{client}/32 was revoked on pop (confirmed), so smtp had to refuse it" in words
