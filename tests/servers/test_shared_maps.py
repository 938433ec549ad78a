"""Maps on a host that shares a store: a real Postfix reads what a login on another host earned.

One machine with Dovecot and Postfix is enough, for what matters is whose daemon knows what: `pop`
reads Dovecot's log and has no map, `smtp` writes the map and reads no log, and they have nothing
in common but the store.
"""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from poplock.control import Revoke, Watch
from testbed import clients, servers
from testbed.engines import Server
from testbed.host import Host
from tests.daemon import Poplock
from tests.matrix.measure import DOVECOT
from tests.matrix.route import Place
from tests.matrix.routes.postfix import ROUTES

CLIENT, OTHER = "203.0.113.5", "203.0.113.6"
_SHOWN = 10.0  # seconds for a map to be seen by its reader on a busy machine
_SHARED = '[shared]\nnodes = ["{node}"]\nhost = "{name}"\nmax_staleness = "1s"\ntimeout = "1s"\n'
_SOURCE = '[[source]]\ntype = "file"\npath = "{log}"\ndialects = ["dovecot"]\n'

(CDB,) = (route for route in ROUTES if route.name == "Postfix, cdb")


class Hosts:
    """The machine, the store, and the two daemons."""

    def __init__(self, host: Host, store: Server, folder: Path) -> None:
        self.host, self.store, self._folder = host, store, folder
        maps = host.shared / "maps"
        maps.mkdir()
        log = host.shared / "log" / "mail-rfc3339.log"
        self.pop = self._daemon("pop", _SOURCE.format(log=log))
        self.smtp = self._daemon("smtp", CDB.config.format(maps=maps))

    def _daemon(self, name: str, more: str) -> Poplock:
        shared = _SHARED.format(node=self.store.address, name=name)
        (self._folder / name).mkdir()
        return Poplock(self._folder / name, shared + more, self.host.place.popen)

    def log_in(self, client: str = CLIENT) -> None:
        clients.log_in(self.host, client)

    def until(self, code: int, client: str = CLIENT) -> None:
        """Until Postfix says so to a relay attempt; it takes mail for its own users throughout."""
        deadline = time.monotonic() + _SHOWN
        while (said := clients.rcpt(self.host, client))[0] != code:
            assert time.monotonic() < deadline, f"{said}, not {code}\n{self.smtp.log.read_text()}"
            assert clients.rcpt(self.host, client, clients.LOCAL)[0] == 250


@pytest.fixture(scope="module")
def hosts(release: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    with (
        Host(release, (*DOVECOT, *CDB.packages), CDB.prepare) as host,
        Server(place=host.place) as store,
    ):
        servers.start_rsyslog(host)
        servers.start_dovecot(host)
        made = Hosts(host, store, tmp_path_factory.mktemp("hosts"))
        with made.pop, made.smtp:
            CDB.start(Place(host, made.smtp.config))
            made.smtp.until(lambda: made.smtp.answer(OTHER) == "none", "the new store counts")
            yield made


@pytest.fixture
def logged_in(hosts: Hosts) -> Hosts:
    hosts.log_in()
    hosts.until(250)
    return hosts


def test_a_login_on_another_host_permits_and_a_revocation_there_refuses(logged_in: Hosts) -> None:
    assert clients.rcpt(logged_in.host, OTHER)[0] == 554
    (seen,) = logged_in.smtp.ask(Watch(grants=1))
    assert seen["grants"][0]["network"] == f"{CLIENT}/32", "whoever watches this host sees it, too"
    logged_in.pop.ask(Revoke(ip=CLIENT))
    logged_in.until(554)


def test_the_map_is_closed_while_the_store_is_away_and_filled_when_it_is_back(
    logged_in: Hosts,
) -> None:
    logged_in.store.kill()
    logged_in.until(554)
    assert clients.rcpt(logged_in.host, CLIENT, clients.LOCAL)[0] == 250
    logged_in.log_in(OTHER)  # waits on the POP host's disk
    logged_in.store.start()
    logged_in.until(250)
    logged_in.until(250, OTHER)


def test_a_daemon_that_was_killed_fills_its_map_from_the_store(logged_in: Hosts) -> None:
    logged_in.smtp.end(signal.SIGKILL)
    logged_in.pop.ask(Revoke(ip=CLIENT))
    logged_in.log_in(OTHER)
    logged_in.smtp.start()
    logged_in.until(250, OTHER)
    logged_in.until(554)


def test_an_emptied_store_fills_the_map_again_by_what_hosts_know(logged_in: Hosts) -> None:
    logged_in.store.cli("FLUSHALL")
    logged_in.log_in(OTHER)
    logged_in.until(250, OTHER)
    logged_in.until(250)
