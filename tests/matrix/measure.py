"""What an MTA really says in each state of poplock.

One machine with a real Dovecot and the MTA, one poplock. Time is not waited for: a window of three
seconds is let pass where its end is the point, and a lease ends for `poplock maps sweep` in a time
namespace whose boot clock is an hour ahead.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from poplock.config import load_config
from poplock.control import Status, ask
from poplock.doctor import Finding, Site, examine
from poplock.doctor.site import Level
from poplock.relaytest import forms, try_forms
from testbed import clients, servers
from testbed.host import SERVER4, Host
from tests.daemon import Poplock

from .route import Place, Route

DOVECOT = ("dovecot-pop3d", "dovecot-imapd", "rsyslog", "openssl")
ADDRESS, NEIGHBOUR, OTHER6 = "203.0.113.5", "203.0.113.6", "2001:db8:2::2"
ADDRESS6 = "2001:db8:1::5"
_SHOWN = 5.0  # seconds for a map to be seen by its reader
CONFIG = """
[policy]
window = "{window}"
[[source]]
type = "file"
path = "{log}"
dialects = ["dovecot"]
"""


@dataclass(frozen=True)
class Cell:
    """Replies to a relay attempt and to local mail, and the relay forms that were accepted."""

    relay: int
    local: int
    text: str = ""
    seconds: float | None = None
    """From the cause to this reply, where that is of interest."""
    open_forms: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self == NOT_THERE:
            return "-"
        shown = f"{self.relay}/{self.local}"
        return f"{shown} !{len(self.open_forms)}" if self.open_forms else shown


NOT_THERE = Cell(0, 0)
"""What the MTA can't do at all."""
Row = dict[str, Cell]


class Bench:
    """A route that runs, and what is done to poplock."""

    def __init__(self, route: Route, host: Host, folder: Path) -> None:
        self.route, self.host = route, host
        self.maps = host.shared / "maps"
        self.maps.mkdir(exist_ok=True)
        self.poplock = Poplock(folder, self._config("60m"), partial(host.popen, inside=False))
        self.place = Place(host, self.poplock.config)

    def _config(self, window: str) -> str:
        log = self.host.shared / "log" / "mail-rfc3339.log"
        route = self.route.config.format(maps=self.maps, enter=json.dumps(self.host.entering)[1:-1])
        return CONFIG.format(window=window, log=log) + route

    def restart(self, window: str = "60m") -> None:
        """A daemon with this window, whatever ran before."""
        if self.poplock.child is not None:
            self.poplock.end(signal.SIGTERM)
        poplock = self.poplock
        text = poplock.config.read_text()
        start = text.index("\n[policy]")
        poplock.config.write_text(text[:start] + self._config(window))
        poplock.start()

    def log_in(self, source: str = ADDRESS, user: str = "alice") -> None:
        clients.log_in(self.host, source, service="imap", user=user)

    def cell(self, source: str = ADDRESS, *, forms_too: bool = False, port: int = 0) -> Cell:
        """Ask the MTA, as it is now."""
        port = port or self.route.port
        relay, text = clients.rcpt(self.host, source, port=port)
        local, _ = clients.rcpt(self.host, source, clients.LOCAL, port=port)
        return Cell(relay, local, text, open_forms=self._open_forms() if forms_too else ())

    def _open_forms(self) -> tuple[str, ...]:
        """The relay forms that are accepted from somebody who never logged in."""
        connect = partial(self.host.connect, NEIGHBOUR, self.route.port)
        every = forms("example.org", SERVER4)
        # In several sessions at once: an MTA that waits for a hung poplock does so at each form.
        sessions = self.route.sessions
        parts = [every[i::sessions] for i in range(sessions)]
        with ThreadPoolExecutor(sessions) as pool:
            results = [
                r for part in pool.map(lambda p: [*try_forms(connect, p)], parts) for r in part
            ]
        return tuple(r.form.name for r in results if r.accepted)

    def until(self, wanted: Callable[[Cell], bool], source: str = ADDRESS, port: int = 0) -> Cell:
        """Ask until the MTA has noticed, as it must soon; the last answer counts."""
        started = time.monotonic()
        while True:
            cell = self.cell(source, port=port)
            took = time.monotonic() - started
            if wanted(cell) or took > _SHOWN:
                return Cell(cell.relay, cell.local, cell.text, took)

    def doctor(self) -> list[Finding]:
        """What `poplock doctor` finds, looking at the root as if it were its own host."""
        tools = self.poplock.folder / "tools"  # not to be found inside, or they call themselves
        tools.mkdir(exist_ok=True)
        for name in ("postconf", "exim4", "exim"):
            script = tools / name
            enter = shlex.join(self.host.entering)
            inside = shlex.join(["sh", "-c", 'command -v "$0" >/dev/null && exec "$0" "$@"', name])
            script.write_text(f'#!/bin/sh\nexec {enter} {inside} "$@"\n')
            script.chmod(0o755)
        config = load_config(self.poplock.config)
        (status,) = ask(self.poplock.control, Status())
        site = Site(config, self.poplock.config, status, root=self.host.files)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
            return list(examine(site))

    def lease_ends(self) -> None:
        """What the timer does after an hour, for whoever no daemon renews."""
        if not self.route.clears:
            return
        command = ["unshare", "--time", "--boottime", "7200", sys.executable, "-m", "poplock"]
        command += ["maps", "sweep", "--config", str(self.poplock.config)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)


def permitted(cell: Cell) -> bool:
    return cell.relay == 250


def refused(cell: Cell) -> bool:
    return not permitted(cell)


@contextmanager
def bench(route: Route, release: str, folder: Path) -> Iterator[Bench]:
    """The servers of a route, with a poplock that runs and an MTA that asks it."""
    with Host(release, (*DOVECOT, *route.packages), route.prepare) as host:
        servers.start_rsyslog(host)
        servers.start_dovecot(host)
        made = Bench(route, host, folder)
        try:
            made.poplock.start()
            route.start(made.place)
            yield made
        finally:
            if made.poplock.child is not None:
                made.poplock.child.send_signal(signal.SIGCONT)
                made.poplock.end(signal.SIGKILL)


def measure(b: Bench, progress: Callable[[str], None] = lambda _: None) -> Row:
    """Every state in turn."""
    row: Row = {}
    for state, look in STATES.items():
        progress(state)
        row[state] = look(b)
    return row


def _never(b: Bench) -> Cell:
    return b.cell(forms_too=True)


def _logged_in(b: Bench) -> Cell:
    b.log_in()
    return b.until(permitted) if b.route.clears else b.cell()


def _neighbour(b: Bench) -> Cell:
    return b.cell(NEIGHBOUR)


def _ipv6(b: Bench) -> Cell:
    if not b.route.ipv6:
        return NOT_THERE
    b.log_in(ADDRESS6)
    return b.until(permitted, ADDRESS6) if b.route.clears else b.cell(ADDRESS6)


def _mapped(b: Bench) -> Cell:
    port = b.route.mapped_port or b.route.port
    return b.cell(ADDRESS, port=port)


def _revoked(b: Bench) -> Cell:
    b.poplock.run("revoke", "--all")
    return b.until(refused)


def _window_over(b: Bench) -> Cell:
    b.restart("3s")
    b.log_in()
    b.until(permitted)
    b.poplock.until(lambda: b.poplock.answer(ADDRESS) == "none", "the window ends")
    cell = b.until(refused)
    b.restart()
    b.log_in()
    assert permitted(b.until(permitted)), "a new daemon, a new login"
    return cell


def _stopped(b: Bench) -> Cell:
    b.poplock.end(signal.SIGTERM)
    return b.cell(forms_too=True)


def _killed(b: Bench) -> Cell:
    b.poplock.start()
    assert permitted(b.until(permitted)), "started again, with the grants of before"
    b.poplock.end(signal.SIGKILL)
    b.lease_ends()
    return b.cell(forms_too=True)


def _hung(b: Bench) -> Cell:
    b.poplock.start()
    assert permitted(b.until(permitted)), "started again after a kill"
    b.poplock.child.send_signal(signal.SIGSTOP)
    b.lease_ends()
    cell = _killed_while_it_hangs(b) if b.route.endless else b.cell(forms_too=True)
    if b.poplock.child is not None:
        b.poplock.child.send_signal(signal.SIGCONT)
    b.restart()  # what systemd's watchdog does
    return cell


def _killed_while_it_hangs(b: Bench) -> Cell:
    """The MTA waits, and the watchdog's kill lets it go on."""
    with ThreadPoolExecutor(1) as pool:
        relay = pool.submit(clients.rcpt, b.host, ADDRESS, port=b.route.port)
        local, _ = clients.rcpt(b.host, ADDRESS, clients.LOCAL, port=b.route.port)
        b.poplock.end(signal.SIGKILL)
        code, text = relay.result()
    return Cell(code, local, text, open_forms=b.cell(forms_too=True).open_forms)


def _store_gone(b: Bench) -> Cell:
    assert permitted(b.until(permitted)), "restarted after it hung"
    store = b.poplock.folder / "poplock.db"
    store.rename(store.with_suffix(".away"))
    b.log_in(NEIGHBOUR, "bob")  # something to commit
    b.poplock.until(lambda: b.poplock.answer(ADDRESS) == "unavailable", "unavailable")
    cell = b.until(refused)
    return Cell(cell.relay, cell.local, cell.text, cell.seconds, b.cell(forms_too=True).open_forms)


def _back(b: Bench) -> Cell:
    store = b.poplock.folder / "poplock.db"
    store.with_suffix(".away").rename(store)
    b.poplock.until(lambda: b.poplock.answer(ADDRESS) == "permit", "available again")
    return b.until(permitted)


STATES: dict[str, Callable[[Bench], Cell]] = {
    "never logged in": _never,
    "logged in": _logged_in,
    "neighbour": _neighbour,
    "IPv6": _ipv6,
    "v4-mapped": _mapped,
    "revoked": _revoked,
    "window over": _window_over,
    "stopped": _stopped,
    "kill -9": _killed,
    "hung": _hung,
    "store gone": _store_gone,
    "back again": _back,
}
PERMITS = {"logged in", "IPv6", "v4-mapped", "back again"}
TROUBLE = {"stopped", "kill -9", "hung", "store gone"}


def unwell(b: Bench) -> list[str]:
    """What the doctor finds wrong with a route that is as `poplock setup` says."""
    return [f"{f.where}: {f.what}" for f in b.doctor() if f.level is Level.BAD]


def wrong(route: Route, row: Row) -> list[str]:
    """What is not as the contract promises."""
    found = []
    for state, cell in row.items():
        if cell == NOT_THERE and state == "IPv6" and not route.ipv6:
            continue
        if cell.local != 250:
            found.append(f"{state}: local mail got {cell.local}")
        if cell.open_forms:
            found.append(f"{state}: relays for strangers: {', '.join(cell.open_forms)}")
        if state in PERMITS:
            if not permitted(cell):
                found.append(f"{state}: {cell.relay} {cell.text}")
        elif not 400 <= cell.relay < 600:
            found.append(f"{state}: {cell.relay} {cell.text}")
        elif state in TROUBLE and route.soft and cell.relay >= 500:
            found.append(f"{state}: {cell.relay} {cell.text}, and not 4xx")
    return found
