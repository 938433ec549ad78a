"""A site with everything real: POP hosts, SMTP hosts, a store, and `poplock run` on each host.

pop1 has a Dovecot whose log rsyslog writes; on pop2 the log is written here, as Dovecot would.
smtp1 and smtp2 have a Postfix with the lines of `poplock setup postfix`, of both Debian releases.
All are hosts of one `testbed.site`, with the store beside them; their clients are 198.18.1.1 and
following, each of which can reach every host.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType

from poplock.control import Revoke, Status, ask
from poplock.core.errors import PoplockError
from testbed import clients, servers
from testbed.demo import relay_restrictions
from testbed.engines import Cluster, Sentinels, Server
from testbed.host import Host
from testbed.place import Place
from testbed.site import Site
from tests.daemon import Poplock

from .history import Word

POPS, SMTPS = ("pop1", "pop2"), ("smtp1", "smtp2")
HOSTS = (*POPS, *SMTPS)
USER = "alice"
MAX_STALENESS = 2.0
"""Shorter than the default, for the tests wait for it."""
LISTEN = "inet:127.0.0.1:10031"
STORE_USERS = (
    "user default off",
    "user poplock on >first ~poplock:* &* +@all",
)

_SHARED = """
[shared]
mode = "{mode}"
nodes = [{nodes}]
{more}
host = "{host}"
max_staleness = "{staleness}s"
timeout = "1s"
username = "poplock"
password_file = "{folder}/password"
"""
_SOURCE = """
[[source]]
type = "file"
path = "{log}"
dialects = ["dovecot"]
"""
_ANSWER = f"""
[[answer]]
type = "postfix_policy"
listen = "{LISTEN}"
"""
_WORDS: Mapping[int, Word] = {250: "permit", 554: "none"}

Store = Server | Sentinels | Cluster


class Fleet:
    """The machines with their servers; a context manager. `serve` gives them a store."""

    def __enter__(self) -> Fleet:
        with ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleet-")))
            self.site = stack.enter_context(Site())
            machines = {"pop1": "bookworm", "smtp1": "bookworm", "smtp2": "trixie"}
            packages = servers.DOVECOT_POSTFIX, servers.PREPARE_POSTFIX
            self.machines = {
                name: stack.enter_context(Host(release, *packages))
                for name, release in machines.items()
            }
            with ThreadPoolExecutor() as pool:
                list(pool.map(self._start, self.machines))
            self.places = {
                name: self.site.host(name, self.machines[name].place)
                if name in self.machines
                else self.site.host(name)
                for name in HOSTS
            }
            self.stores = [self.site.host(name) for name in ("store1", "store2", "store3")]
            self.logs = {
                "pop1": self.machines["pop1"].shared / "log" / "mail-rfc3339.log",
                "pop2": self.folder / "pop2.log",
            }
            self.logs["pop2"].touch()
            self.clock_of: dict[str, float] = {}
            self._clients = 0
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _start(self, name: str) -> None:
        host = self.machines[name]
        if name in POPS:
            servers.start_rsyslog(host)
            servers.start_dovecot(host)
        else:
            printed = relay_restrictions(_ANSWER)
            servers.start_postfix(host, {"smtpd_relay_restrictions": printed})

    def store(self, mode: str, flavour: str = "redis-bookworm") -> Store:
        """A store of this kind on the hosts for it, to be entered."""
        if mode == "single":
            return Server(flavour, place=self.stores[0], users=STORE_USERS)
        kind = Sentinels if mode == "sentinel" else Cluster
        return kind(flavour, places=self.stores, users=STORE_USERS)

    def serve(self, store: Store) -> Crew:
        """The daemons of all hosts with this store, to be entered."""
        return Crew(self, store)

    def client(self) -> str:
        """An address that nobody has had."""
        self._clients += 1
        return str(IPv4Address("198.18.1.0") + self._clients)

    def log_in(self, pop: str, client: str) -> None:
        """The user logs in there; returns when the server has said yes."""
        if pop in self.machines:
            clients.log_in(self.machines[pop], client, user=USER)
            return
        now = datetime.fromtimestamp(time.time() + self.clock_of.get(pop, 0.0), UTC)
        line = (
            f"{now.isoformat()} {pop} dovecot: pop3-login: Login: user=<{USER}>, method=PLAIN,"
            f" rip={client}, lip=203.0.113.1, mpid=1, session=<{self._clients}>\n"
        )
        with self.logs[pop].open("a") as log:
            log.write(line)

    def relay(self, smtp: str, client: str) -> Word:
        """What the MTA makes of a relay attempt; whatever it defers or leaves is unavailable."""
        code, _ = clients.rcpt(self.machines[smtp], client)
        return _WORDS.get(code, "unavailable")

    def local(self, smtp: str, client: str) -> int:
        """What the MTA says to mail for a user of its own."""
        return clients.rcpt(self.machines[smtp], client, clients.LOCAL)[0]


class Crew:
    """`poplock run` on every host, with one store; a context manager."""

    def __init__(self, fleet: Fleet, store: Store) -> None:
        self.fleet = fleet
        self.engine = store
        self.folder = Path(tempfile.mkdtemp(prefix="crew-", dir=fleet.folder))
        self.password = self.folder / "password"
        self.set_password("first")
        self.daemons = {name: self._daemon(name, fleet.places[name]) for name in HOSTS}

    def set_password(self, password: str) -> None:
        """What the hosts tell the store from now on."""
        self.password.write_text(password + "\n")
        self.password.chmod(0o600)

    def _daemon(self, name: str, place: Place) -> Poplock:
        folder = self.folder / name
        folder.mkdir()
        store = self.engine
        mode = {Server: "single", Sentinels: "sentinel", Cluster: "cluster"}[type(store)]
        nodes = [store.address] if isinstance(store, Server) else store.nodes
        text = _SHARED.format(
            mode=mode,
            nodes=", ".join(f'"{node}"' for node in nodes),
            more=f'master = "{store.name}"' if isinstance(store, Sentinels) else "",
            host=name,
            staleness=f"{MAX_STALENESS:g}",
            folder=self.folder,
        )
        if name in POPS:
            text += _SOURCE.format(log=self.fleet.logs[name])
        else:
            text += _ANSWER
        return Poplock(folder, text, place.popen)

    def __enter__(self) -> Crew:
        # A daemon ends with the thread that started it, so these threads stay.
        self._pool = ThreadPoolExecutor(len(HOSTS))
        try:
            list(self._pool.map(Poplock.start, self.daemons.values()))
            self.settled()
        except BaseException:
            self.__exit__()
            raise
        return self

    def settled(self) -> None:
        """Until every MTA refuses a stranger: a store that is new says nothing at first."""
        for smtp in SMTPS:
            refuses = partial(self.refuses, smtp, self.fleet.client())
            self.daemons[smtp].until(refuses, f"{smtp} knows what to say to a stranger")

    def refuses(self, smtp: str, client: str) -> bool:
        return self.fleet.relay(smtp, client) == "none"

    def __exit__(self, *exc: object) -> None:
        for daemon in self.daemons.values():
            if daemon.child is not None:
                daemon.child.kill()
                daemon.child.wait()
        self._pool.shutdown()

    def restart(self, name: str, number: int, clock: Mapping[str, str] | None = None) -> None:
        """End a host's daemon by a signal and start it again."""
        self.daemons[name].end(number)
        self.daemons[name].start(**(clock or {}))

    def revoke(self, host: str, client: str) -> bool:
        """`poplock revoke` on a host; whether it was confirmed."""
        try:
            ask(self.daemons[host].control, Revoke(ip=client))
        except (PoplockError, OSError):
            return False
        return True

    def troubles(self, host: str) -> str:
        """What `poplock status` says is wrong."""
        (status,) = ask(self.daemons[host].control, Status())
        return str(status["troubles"])

    def log(self) -> str:
        """What all daemons have said, for when something is wrong."""
        return "\n".join(f"{n}: {d.log.read_text()[-3000:]}" for n, d in self.daemons.items())
