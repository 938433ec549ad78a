"""What one thing costs a shard: the CPU time of a real redis-server under one load and another.

The processor time comes from /proc/PID/schedstat (nanoseconds), while one or several clients send a
batch, wait for all of it, and send the next; what a turn, a client, a script, a key and a
follower cost follows from the differences. A cost is the median of `ROUNDS` rounds.
"""

import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import hiredis

from . import commands

NETWORKS = 50_000
ROUNDS = 5
BATCHES = 200
PAUSE = 0.0005  # between two turns: a shard of the model sleeps before most of its turns, too
BIG = 200  # grants of the network that shows what each further one costs
FOLLOWERS = 30


class Client:
    """A connection that sends bytes and counts replies."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = hiredis.Reader(notEnoughData=Ellipsis)
        self.heard = 0

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def replies(self, count: int) -> list[Any]:
        found: list[Any] = []
        while len(found) < count:
            reply = self.reader.gets()
            if reply is Ellipsis:
                data = self.sock.recv(1 << 20)
                if not data:
                    raise ConnectionError("the server has closed the connection")
                self.heard += len(data)
                self.reader.feed(data)
            elif isinstance(reply, Exception):
                raise reply
            else:
                found.append(reply)
        return found

    def ask(self, *words: bytes) -> Any:
        self.send(commands.packed(*words))
        return self.replies(1)[0]


def used(pid: int) -> float:
    """Seconds that the process has been on a processor."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


class Shard:
    """A redis-server that is being measured."""

    def __init__(self, port: int, pid: int) -> None:
        self.port, self.pid = port, pid
        self.client = Client(port)
        self.client.ask(*commands.load())
        self._next = 0

    def fill(self, count: int, grants: int = 1, first: int = 0) -> float:
        """Networks with that many grants each; bytes of memory for each network."""
        before = self.memory()
        for start in range(first, first + count, 500):
            many = range(start, min(start + 500, first + count))
            self.client.send(b"".join(commands.keep(n, u) for n in many for u in range(grants)))
            self.client.replies(len(many) * grants)
        return (self.memory() - before) / count

    def memory(self) -> int:
        info: bytes = self.client.ask(b"INFO", b"memory")
        return int(info.partition(b"used_memory:")[2].partition(b"\r")[0])

    def networks(self, count: int) -> list[int]:
        """Each time others, spread over all."""
        self._next += count
        return [(self._next + i) * 7919 % NETWORKS for i in range(count)]

    def keeps(self, count: int) -> bytes:
        return b"".join(commands.keep(n) for n in self.networks(count))

    def cost(
        self, clients: int, count: int, compose: Callable[[int], bytes], replies: int
    ) -> float:
        """CPU seconds of a turn in which each client sends what `compose(count)` gives."""
        taken = []
        with ExitStack() as exits:
            ours = [Client(self.port) for _ in range(clients)]
            for client in ours:
                exits.callback(client.sock.close)
            for _ in range(ROUNDS):
                batches = [[compose(count) for _ in ours] for _ in range(BATCHES)]
                before = used(self.pid)
                for batch in batches:
                    time.sleep(PAUSE)
                    for client, data in zip(ours, batch, strict=True):
                        client.send(data)
                    for client in ours:
                        client.replies(replies)
                taken.append((used(self.pid) - before) / BATCHES)
        return statistics.median(taken)

    @contextmanager
    def followed(self, by: int) -> Iterator[list[Client]]:
        """Hosts that are told of every change, and read it when it is over."""
        with ExitStack() as exits:
            hosts = [Client(self.port) for _ in range(by)]
            for host in hosts:
                exits.callback(host.sock.close)
                host.ask(b"HELLO", b"3")
                host.ask(b"CLIENT", b"TRACKING", b"ON", b"BCAST", b"PREFIX", b"poplock:{")
                host.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            yield hosts


def shard_costs(shard: Shard) -> dict[str, float]:
    """The costs of `site.Costs` that are a shard's."""
    before = used(shard.pid)
    time.sleep(3)
    idle = (used(shard.pid) - before) / 3
    one = shard.cost(1, 1, shard.keeps, 1)
    many = shard.cost(1, 100, shard.keeps, 100)
    script = (many - one) / 99
    gets = lambda n: commands.get(shard.networks(n))  # noqa: E731
    get_one, get_many = shard.cost(1, 1, gets, 1), shard.cost(1, 100, gets, 1)
    get = (get_many - get_one) / 99
    big = NETWORKS + 1
    shard.client.send(b"".join(commands.keep(big, u) for u in range(BIG)))
    shard.client.replies(BIG)
    into_big = lambda n: b"".join(commands.keep(big, 7) for _ in range(n))  # noqa: E731
    big_script = (shard.cost(1, 20, into_big, 20) - one) / 19
    of_big = shard.cost(1, 20, lambda n: commands.get([big] * n), 1)
    clients = shard.cost(10, 1, shard.keeps, 1)
    with shard.followed(FOLLOWERS):
        pushed = shard.cost(1, 1, shard.keeps, 1)
    return {
        "shard_idle": idle,
        "shard_turn": one - script,
        "shard_client": (clients - one) / 9 - script,
        "shard_script": script,
        "shard_script_each": (big_script - script) / (BIG - 1),
        "shard_get": get,
        "shard_get_each": max(0.0, (of_big - get_one) / 19 - get) / (BIG - 1),
        "shard_push": (pushed - one) / FOLLOWERS,
    }
