"""`poplock demo`: the whole story on loopback, told in plain words.

The story (`tell`) is played on a stage. The stage here needs no root: the daemon, its store and its
policy socket are real, the POP/IMAP server and the MTA are not: the log is written as Dovecot
writes it, and the policy socket is asked as Postfix asks. `scripts/demo` plays the same story with
real servers.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import click

from ..control import Check, NobodyThereError, Status, ask
from ..core.errors import PoplockError
from ..office import Row

WINDOW = 4  # seconds; an hour in real life
_PATIENCE = 60.0  # seconds for the daemon to start; a busy machine takes a while


class Stage(Protocol):
    """A POP/IMAP server, an MTA, and poplock between them."""

    address: str
    neighbour: str
    user: str
    cast: str
    """Who plays: what is real and what isn't."""

    def log_in(self, password_is_right: bool) -> None:
        """The user's client logs in from `address`; returns when the server has answered it."""

    def relay(self, address: str) -> tuple[bool, str]:
        """A client at `address` wants mail sent abroad: whether it may, and the reply."""

    def check(self, address: str) -> Row:
        """What `poplock check ADDRESS --json` says."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One line of the table."""

    what: str
    expected: bool
    got: bool
    reply: str

    @property
    def right(self) -> bool:
        return self.expected == self.got


def tell(stage: Stage, say: Callable[[str], None]) -> list[Scene]:
    """Play the story; returns what happened in each scene."""
    scenes: list[Scene] = []

    def relay(what: str, address: str, expected: bool) -> None:
        got, reply = stage.relay(address)
        scenes.append(Scene(what, expected, got, reply))
        say(f"   -> {'permitted' if got else 'refused'}: {reply}")

    say(stage.cast)
    say(f"\n1. A client at {stage.address} wants to send mail abroad. Nobody has logged in there.")
    relay("before any login", stage.address, False)
    say("\n2. Somebody tries a wrong password there. That earns nothing.")
    stage.log_in(password_is_right=False)
    relay("after a wrong password", stage.address, False)
    say(f"\n3. {stage.user} logs in to the mailbox from {stage.address}, and sends at once.")
    stage.log_in(password_is_right=True)
    relay("after the login", stage.address, True)
    say(f"   poplock check: {stage.check(stage.address)['why']}")
    say(f"\n4. A neighbour at {stage.neighbour}, who has not logged in, tries the same.")
    relay("the neighbour", stage.neighbour, False)
    say(f"\n5. The window passes ({WINDOW} seconds here, an hour in real life).")
    _until_ended(stage)
    relay("after the window", stage.address, False)
    say(f"   poplock check: {stage.check(stage.address)['why']}")
    return scenes


def _until_ended(stage: Stage) -> None:
    """Wait until the grant has ended by the daemon's own clock."""
    deadline = time.monotonic() + 10 * WINDOW
    late = False
    while stage.check(stage.address)["answer"] == "permit":
        if late:
            raise PoplockError(f"the grant did not end within {10 * WINDOW} s")
        time.sleep(0.1)
        late = time.monotonic() > deadline  # asked once more: the host may have been asleep


def print_table(scenes: list[Scene]) -> None:
    """The scenes side by side: what was expected, what came."""
    rows: list[tuple[str, ...]] = [("a relay attempt", "expected", "came", "right")]
    for scene in scenes:
        words = ["permitted" if flag else "refused" for flag in (scene.expected, scene.got)]
        rows.append((scene.what, *words, "yes" if scene.right else "NO"))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    click.echo()
    for number, row in enumerate(rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
        if number == 0:
            click.echo("  ".join("-" * width for width in widths))


@contextmanager
def running_daemon(config: Path, control: Path) -> Iterator[None]:
    """The real daemon as a child, until the block ends."""
    command = [sys.executable, "-m", "poplock", "run", "--config", str(config)]
    log = config.with_suffix(".log")
    with log.open("wb") as errors:
        child = subprocess.Popen(command, stdout=errors, stderr=errors)
        try:
            wait_until_ready(control, child, log)
            yield
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(_PATIENCE)


def wait_until_ready(control: Path, child: "subprocess.Popen[bytes]", log: Path) -> None:
    """Until the daemon answers commands and has read its logs."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if child.poll() is not None:
            break
        try:
            (status,) = ask(control, Status())
        except NobodyThereError:
            status = {"sources": [{"caught_up": False}]}
        if all(s["caught_up"] for s in status["sources"]):  # type: ignore[attr-defined]
            return
        time.sleep(0.02)
    raise PoplockError(f"the daemon did not start; it said: {log.read_text()[-2000:]}")


class PlainStage:
    """Needs nothing but Python: the log and the questions are written here."""

    address = "203.0.113.9"
    neighbour = "203.0.113.10"
    user = "ann@example.org"
    cast = (
        "The cast: the poplock daemon, its SQLite store and its Postfix policy socket are real.\n"
        "The log is written here as Dovecot writes it, and the policy socket is asked here as\n"
        "Postfix asks. 'scripts/demo' plays the same with a real Dovecot and a real Postfix."
    )

    def __init__(self, folder: Path, policy: Path) -> None:
        self._log = folder / "mail.log"
        self._control = folder / "control.sock"
        self._policy = policy
        self._session = 0

    def log_in(self, password_is_right: bool) -> None:
        self._session += 1
        tail = f"rip={self.address}, lip=192.0.2.1, "
        if password_is_right:
            message = f"Logged in: user=<{self.user}>, method=PLAIN, {tail}mpid=1234, TLS"
        else:
            message = (
                "Login aborted: Connection closed (auth failed, 1 attempts in 2 secs)"
                f" (auth_failed): user=<{self.user}>, method=PLAIN, {tail}TLS"
            )
        stamp = datetime.now(UTC).isoformat()
        line = f"{stamp} mx dovecot: pop3-login: {message}, session=<demo{self._session:04}>\n"
        before = self._events()
        with self._log.open("a") as log:
            log.write(line)
            if password_is_right:  # its end, as a POP3 client's comes a moment later
                session = f"{self.user})<1234><demo{self._session:04}>"
                log.write(f"{stamp} mx dovecot: pop3({session}: Disconnected: Logged out\n")
        while self._events() == before:  # a real client would have waited for the server's +OK
            time.sleep(0.005)

    def _events(self) -> int:
        (status,) = ask(self._control, Status())
        return int(status["sources"][0]["events"])  # type: ignore[index]

    def relay(self, address: str) -> tuple[bool, str]:
        request = (
            "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\n"
            f"client_address={address}\nclient_name=unknown\nsender={self.user}\n"
            "recipient=friend@elsewhere.example\n\n"
        )
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.connect(str(self._policy))
            sock.sendall(request.encode())
            reply = sock.recv(1000).decode().strip()
        meaning = {"action=OK": "Postfix would accept", "action=DUNNO": "Postfix's own rule: deny"}
        return reply == "action=OK", f"{reply} ({meaning.get(reply, 'Postfix would defer')})"

    def check(self, address: str) -> Row:
        (row,) = ask(self._control, Check(address))
        return row


@contextmanager
def _plain_stage() -> Iterator[PlainStage]:
    with tempfile.TemporaryDirectory(prefix="poplock-demo-") as name:
        folder = Path(name)
        policy = folder / "policy.sock"
        config = folder / "poplock.toml"
        config.write_text(demo_config(folder, folder / "mail.log", f"unix:{policy}"))
        (folder / "mail.log").touch()
        with running_daemon(config, folder / "control.sock"):
            yield PlainStage(folder, policy)


def demo_config(folder: Path, log: Path, listen: str) -> str:
    """A configuration whose files all stand in `folder`, with a short window."""
    return f"""\
[policy]
window = "{WINDOW}s"
[store]
path = "{folder}/poplock.db"
[control]
path = "{folder}/control.sock"
[[source]]
type = "file"
path = "{log}"
dialects = ["dovecot"]
[[answer]]
type = "postfix_policy"
listen = "{listen}"
mode = "0666"
"""


def perform(stage: Stage) -> None:
    """Tell the story on a stage and exit: 0 where each scene came out right."""
    started = time.monotonic()
    scenes = tell(stage, click.echo)
    print_table(scenes)
    wrong = sum(not scene.right for scene in scenes)
    took = time.monotonic() - started
    click.echo(f"\n{len(scenes)} scenes, {wrong} wrong, in {took:.0f} seconds.")
    if wrong:
        raise SystemExit(1)


@click.command("demo")
def command() -> None:
    """Play the whole story here: refused, log in, permitted, expired, refused.

    Takes about ten seconds, needs no root, and leaves nothing behind.

    \b
    Example:
      poplock demo
    """
    os.environ.pop("NOTIFY_SOCKET", None)  # the child is not the service that systemd waits for
    with _plain_stage() as stage:
        perform(stage)
