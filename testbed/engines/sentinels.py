"""A master, two replicas and three sentinels that watch them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import pairwise

from ..place import HERE, Place
from .engine import ADMIN, Engine
from .server import EVERYONE, Server

NAME = "poplock"
_DOWN_AFTER = 500  # ms without an answer until a sentinel holds a server for dead
_PERIODS = {"INFO-PERIOD": 200, "PUBLISH-PERIOD": 200, "PING-PERIOD": 100, "ASK-PERIOD": 100}
"""Sentinels do these each 10, 2, 1 and 1 s; a test has no time for that."""


class Sentinel(Engine):
    """One process that watches; it is told everything about the others at its start."""

    arguments = ("--sentinel",)

    def __init__(self, flavour: str, place: Place) -> None:
        super().__init__(flavour, place)
        self.id = secrets.token_hex(20)

    def configuration(self) -> str:
        return (
            f"user {ADMIN} on >{ADMIN} ~* &* +@all\n{EVERYONE}\nsentinel myid {self.id}\n"
            f"sentinel sentinel-user {ADMIN}\nsentinel sentinel-pass {ADMIN}\n"
        )

    def watch(self, master: Server) -> None:
        """Begin to watch a master."""
        self.cli("SENTINEL", "MONITOR", NAME, master.place.address, str(master.port), "2")
        settings = {
            "auth-user": ADMIN,
            "auth-pass": ADMIN,
            "down-after-milliseconds": str(_DOWN_AFTER),
            "failover-timeout": "1000",  # a vote without a winner is repeated after twice this
            "parallel-syncs": "2",
        }
        words = [word for pair in settings.items() for word in pair]
        self.cli("SENTINEL", "SET", NAME, *words)
        self.cli("SENTINEL", "DEBUG", *(str(x) for pair in _PERIODS.items() for x in pair))

    def restart(self) -> None:
        """kill -9 and start; it knows from its file what it watches."""
        self.kill()
        self.start()

    def master(self) -> str:
        """HOST:PORT of the master, as this one sees it."""
        return ":".join(self.cli("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME).split())

    def sees(self, replicas: int, sentinels: int) -> bool:
        """Whether it knows so many others, and all of them answer it."""
        return (
            self._said("REPLICAS", "flags") == ["slave"] * replicas
            and self._said("REPLICAS", "master-link-status") == ["ok"] * replicas
            and self._said("SENTINELS", "flags") == ["sentinel"] * sentinels
        )

    def _said(self, of: str, name: str) -> list[str]:
        rows = self.cli("SENTINEL", of, NAME).splitlines()
        return [value for field, value in pairwise(rows) if field == name]


class Sentinels:
    """All six; a context manager. The processes are spread over `places`."""

    name = NAME

    def __init__(
        self,
        flavour: str = "redis-bookworm",
        options: Mapping[str, str] | None = None,
        *,
        places: Sequence[Place] = (HERE,),
        users: Sequence[str] = (EVERYONE,),
    ) -> None:
        at = [places[i % len(places)] for i in range(3)]
        self.servers = [Server(flavour, options, place=place, users=users) for place in at]
        self.sentinels = [Sentinel(flavour, place) for place in at]

    def __enter__(self) -> Sentinels:
        with ExitStack() as stack:
            for engine in (*self.servers, *self.sentinels):
                stack.enter_context(engine)
            master, *replicas = self.servers
            for replica in replicas:
                replica.replicate(master)
            for sentinel in self.sentinels:
                sentinel.watch(master)
            self.settled()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    @property
    def nodes(self) -> list[str]:
        """HOST:PORT of each sentinel: what clients are configured with."""
        return [sentinel.address for sentinel in self.sentinels]

    @property
    def master(self) -> Server:
        """The server that most sentinels say is the master."""
        said = [sentinel.master() for sentinel in self.sentinels if sentinel.running]
        address = max(said, key=said.count)
        return next(server for server in self.servers if server.address == address)

    def settled(self, replicas: int = 2) -> None:
        """Until every sentinel sees all others and so many replicas in step."""
        for sentinel in self.sentinels:
            sentinel.until(partial(sentinel.sees, replicas, 2), "sentinels see each other")

    def failover(self) -> Server:
        """Have the sentinels choose another master without need; the new one."""
        self.sentinels[0].cli("SENTINEL", "FAILOVER", NAME)
        return self._another(self.master)

    def kill_master(self) -> Server:
        """kill -9 the master, and return the one that the sentinels choose instead."""
        old = self.master
        old.kill()
        return self._another(old)

    def _another(self, old: Server) -> Server:
        def agreed() -> bool:
            masters = {sentinel.master() for sentinel in self.sentinels}
            return len(masters) == 1 and old.address not in masters and self.master.is_master

        # Whom they name first may not be whom they end up with, when the machine is busy.
        self.sentinels[0].until(agreed, f"all have the same master instead of {old.address}")
        return self.master
