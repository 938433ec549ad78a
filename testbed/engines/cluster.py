"""A cluster of three masters with a replica each."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

from ..place import HERE, Place
from ..roots import TestbedError
from .engine import ADMIN
from .server import EVERYONE, Server

NODE_TIMEOUT = 1000
"""Milliseconds without an answer until the others hold a node for dead (usually 15 s)."""


class Node(Server):
    """One server of a cluster."""

    apart = 10_000  # the cluster's own port

    def row(self) -> Row:
        """Its row in its own table."""
        return next(row for row in self.table() if "myself" in row.flags)

    def table(self) -> list[Row]:
        """CLUSTER NODES, as this one sees it."""
        return [Row.read(line) for line in self.cli("CLUSTER", "NODES").splitlines()]


class Row(NamedTuple):
    """One line of CLUSTER NODES."""

    id: str
    address: str
    flags: list[str]
    master: str
    """The id of a replica's master, "-" for a master."""
    slots: list[range]

    @classmethod
    def read(cls, line: str) -> Row:
        words = line.split()
        slots = []
        for text in words[8:]:
            if not text.startswith("["):  # [..]: a slot on its way
                first, _, last = text.partition("-")
                slots.append(range(int(first), int(last or first) + 1))
        address = words[1].partition("@")[0]
        return cls(words[0], address, words[2].split(","), words[3], slots)

    @property
    def serves(self) -> bool:
        """A living master with slots."""
        return "master" in self.flags and "fail" not in self.flags and bool(self.slots)


class Cluster:
    """All six; a context manager. The processes are spread over `places`."""

    def __init__(
        self,
        flavour: str = "redis-bookworm",
        options: Mapping[str, str] | None = None,
        *,
        places: Sequence[Place] = (HERE,),
        users: Sequence[str] = (EVERYONE,),
    ) -> None:
        settings = {
            "cluster-enabled": "yes",
            "cluster-node-timeout": str(NODE_TIMEOUT),
            **(options or {}),
        }
        at = [places[i % len(places)] for i in range(6)]
        self.servers = [Node(flavour, settings, place=place, users=users) for place in at]

    def __enter__(self) -> Cluster:
        with ExitStack() as stack:
            for server in self.servers:
                stack.enter_context(server)
            self._cli("create", *self.nodes, "--cluster-replicas", "1", "--cluster-yes")
            self.settled()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    @property
    def nodes(self) -> list[str]:
        """HOST:PORT of each server: what clients are configured with."""
        return [server.address for server in self.servers]

    def _cli(self, *command: str) -> str:
        """redis-cli --cluster."""
        first = self.servers[0]
        argv = [*first.flavour.program("cli"), "--user", ADMIN, "--pass", ADMIN, "--cluster"]
        asked = subprocess.run(
            [*first.place.joining, *argv, *command], capture_output=True, text=True, timeout=60
        )
        if asked.returncode != 0:
            raise TestbedError(f"--cluster {command[0]}: {asked.stdout}{asked.stderr}")
        return asked.stdout

    def settled(self) -> None:
        """Until the living servers agree that the cluster is whole, and replicas are in step."""
        living = [server for server in self.servers if server.running]
        for server in living:
            whole = partial(self._whole, server, living)
            server.until(whole, f"{server.address} sees a whole cluster")

    def _whole(self, server: Node, living: list[Node]) -> bool:
        if server.facts("replication").get("master_link_status", "up") != "up":
            return False
        table = server.table()
        masters = {row.id for row in table if row.serves}
        placed = {r.address for r in table if r.serves or r.master in masters}
        slots = sum(len(slots) for row in table if row.serves for slots in row.slots)
        state = server.cli("CLUSTER", "INFO").splitlines()
        return (
            "cluster_state:ok" in state
            and slots == 16384
            and placed >= {living_one.address for living_one in living}
        )

    def slot(self, key: str) -> int:
        """The slot of a key."""
        return int(self.servers[0].cli("CLUSTER", "KEYSLOT", key))

    def master_of(self, key: str) -> Node:
        """The server that a key is kept by."""
        slot, asked = self.slot(key), next(s for s in self.servers if s.running)
        (row,) = (r for r in asked.table() if r.serves and any(slot in s for s in r.slots))
        return self._at(row.address)

    def replica_of(self, master: Node) -> Node:
        """The server that stands in for a master."""
        asked = next(s for s in self.servers if s.running)
        table = asked.table()
        (its,) = (row.id for row in table if row.address == master.address)
        return self._at(next(r.address for r in table if r.master == its and "fail" not in r.flags))

    def _at(self, address: str) -> Node:
        return next(server for server in self.servers if server.address == address)

    def failover(self, master: Node) -> Node:
        """A master and its replica change places without need; the new master."""
        replica = self.replica_of(master)
        replica.cli("CLUSTER", "FAILOVER")
        return self._another(master, replica)

    def kill_master(self, master: Node) -> Node:
        """kill -9 a master, and return its replica when that has taken over."""
        replica = self.replica_of(master)
        master.kill()
        return self._another(master, replica)

    def _another(self, old: Node, new: Node) -> Node:
        def known(server: Node) -> bool:
            return any(row.serves and row.address == new.address for row in server.table())

        for server in self.servers:
            if server.running:
                what = f"{server.address} knows that {new.address} took over from {old.address}"
                server.until(partial(known, server), what)
        self.settled()
        return new

    def reshard(self, count: int, source: Node, target: Node) -> None:
        """Move so many slots from one master to another, with their keys: some hundred a second."""
        ids = ("--cluster-from", source.row().id, "--cluster-to", target.row().id)
        self._cli("reshard", self.nodes[0], *ids, "--cluster-slots", str(count), "--cluster-yes")
        self.settled()
