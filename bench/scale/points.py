"""The model beside reality, at sizes that this machine can run.

A site of one POP host and two SMTP hosts, each a real `poplock run`, on one real redis-server or a
real cluster of three masters. Logins are written into the POP host's log at the times that the
model's people log in; each `PROBED`th is asked for at an SMTP host, again and again, until it is
permitted. Then the model plays the same site.

The views are checked apart: the project's own `View` is shown the same logins and questions.
"""

import os
import socket
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from poplock.core.addresses import Network
from poplock.core.grants import Grant
from poplock.core.table import GrantTable
from poplock.shared.view import View
from testbed.engines import Cluster, Server

from .. import common
from ..common import Place, address, daemon, place
from .figures import quantiles
from .measure import used
from .model import PROBED, WARM, Traffic, play, traffic
from .people import logins, questions, settle
from .site import Costs, Site

SETTLED = 11.0  # seconds until the word of a new store counts
LONGEST = 5.0  # seconds for one login to be permitted


@dataclass(frozen=True)
class Point:
    """One figure, as it was measured and as the model has it."""

    what: str
    measured: float
    model: float
    unit: str


def site(share: float, shards: int) -> Site:
    """A slice of the big site on one POP host and two SMTP hosts; who is watched alone sends."""
    small = Site().scaled(share, pop_hosts=1, smtp_hosts=2, shards=shards)
    return replace(small, mails=0.0, strangers=0.0)


@contextmanager
def engine(shards: int) -> Iterator[tuple[list[int], Sequence[str], list[Server]]]:
    """Process ids of the masters, where hosts find them, and the servers."""
    if shards == 1:
        with Server(options={"appendonly": "no"}) as server:
            yield [server.process_id], [server.address], [server]
        return
    with Cluster(options={"appendonly": "no"}) as cluster:
        masters = [server for server in cluster.servers if server.row().serves]
        yield [m.process_id for m in masters], cluster.nodes, masters


def point(share: float, shards: int, seconds: float, costs: Costs) -> list[Point]:
    """Play it in reality, then in the model."""
    small = site(share, shards)
    scene = traffic(settle(small), seconds)
    real = _reality(scene, shards, seconds)
    seen = play(scene, replace(costs, packet=0.0), seconds)  # the server counts without headers
    where = f"{len(scene.told[0]) / seconds:.0f} logins/s, {shards} shard{'s' * (shards > 1)}"
    model = quantiles([took for _, took, _ in seen.permits])
    found = [
        Point(f"{where}: login → permit, {name}", real[name], model[name], "ms")
        for name in ("p50", "p99")
    ]
    for who in ("shard", "SMTP host", "POP host"):
        busy = 100 * seen.worked[who]
        found.append(Point(f"{where}: {who} busy", 100 * real[who], busy, "%"))
    for way in ("to", "from"):
        sent = seen.bytes[way] / 1e3
        found.append(Point(f"{where}: bytes {way} a shard", real[way] / 1e3, sent, "kB/s"))
    return found


def _reality(scene: Traffic, shards: int, seconds: float) -> dict[str, float]:
    with ExitStack() as exits:
        pids, nodes, masters = exits.enter_context(engine(shards))
        mode = "single" if shards == 1 else "cluster"
        hosts: list[tuple[Place, int]] = []
        for name in ("pop1", "smtp1", "smtp2"):
            told = ", ".join(f'"{node}"' for node in nodes)
            more = f'[shared]\nmode = "{mode}"\nnodes = [{told}]\nhost = "{name}"\n'
            here = exits.enter_context(place(more=more, answers=name != "pop1"))
            hosts.append((here, exits.enter_context(daemon(here))))
        time.sleep(SETTLED)
        watched = [*pids, *(pid for _, pid in hosts)]
        before = [used(pid) for pid in watched], [_traffic(master) for master in masters]
        times = _drive(scene, hosts[0][0], [here for here, _ in hosts[1:]])
        after = [used(pid) for pid in watched], [_traffic(master) for master in masters]
    busy = [(b - a) / seconds for a, b in zip(before[0], after[0], strict=True)]
    to, back = (
        max((b[way] - a[way]) / seconds for a, b in zip(before[1], after[1], strict=True))
        for way in (0, 1)
    )
    return quantiles(times) | {
        "shard": max(busy[: len(pids)]),
        "POP host": busy[len(pids)],
        "SMTP host": max(busy[len(pids) + 1 :]),
        "to": to,
        "from": back,
    }


def _traffic(server: Server) -> tuple[int, int]:
    stats = server.facts("stats")
    return int(stats["total_net_input_bytes"]), int(stats["total_net_output_bytes"])


def _drive(scene: Traffic, pop: Place, smtp: Sequence[Place]) -> list[float]:
    """Write the logins at their times; how long those took that were watched, in seconds."""
    os.sched_setaffinity(0, {common.CLIENT_CPU})
    asked = [socket.create_connection(("127.0.0.1", here.port)) for here in smtp]
    times: list[float] = []
    start = time.perf_counter()
    watchers: list[threading.Thread] = []
    with pop.log.open("ab", buffering=0) as log:
        told = zip(scene.told[0].tolist(), scene.told[1].tolist(), strict=True)
        for number, (at, network) in enumerate(told):
            wait = start + at - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            written = time.perf_counter()
            log.write(_line(number, network))
            if number % PROBED == 0 and not any(w.is_alive() for w in watchers):
                sock = asked[number // PROBED % len(asked)]
                watchers = [threading.Thread(target=_watch, args=(sock, network, written, times))]
                watchers[0].start()
    for watcher in watchers:
        watcher.join()
    for sock in asked:
        sock.close()
    os.sched_setaffinity(0, {common.SERVER_CPU, common.CLIENT_CPU})
    return times


def _line(number: int, network: int) -> bytes:
    """A login of its own user, so that each is news to the store."""
    stamp = time.strftime("%b %e %H:%M:%S")
    return (
        f"{stamp} mx dovecot: imap-login: Login: user=<u{number}@example.org>, method=PLAIN,"
        f" rip={address(network)}, lip=192.0.2.25, mpid={1000 + number % 30_000}, TLS\n"
    ).encode()


def _watch(sock: socket.socket, network: int, written: float, times: list[float]) -> None:
    request = (
        f"request=smtpd_access_policy\nclient_address={address(network)}\nsender=\n\n"
    ).encode()
    while time.perf_counter() - written < LONGEST:
        sock.sendall(request)
        if sock.recv(256) == b"action=OK\n\n":
            times.append(time.perf_counter() - written)
            return
    times.append(LONGEST)


def views(share: float = 0.01, seconds: float = 120.0) -> Point:
    """The share of questions that the real View answers, beside the model's."""
    people = settle(Site().scaled(share, smtp_hosts=2))
    awake = people.awake()
    told = logins(people, awake, WARM + seconds)
    asked = questions(people, awake, told, WARM + seconds)
    views = [View(GrantTable(), 5.0) for _ in range(2)]
    happened: list[tuple[float, int, int, int]] = []
    happened += [
        (t, 0, int(people.network[who]), 0)
        for t, who in zip(*(c.tolist() for c in told), strict=True)
    ]
    columns = (asked.time, asked.network, asked.host)
    happened += [(t, 1, n, h) for t, n, h in zip(*(c.tolist() for c in columns), strict=True)]
    hits: list[bool] = []
    for at, kind, number, host in sorted(happened):
        network = Network(f"{address(number)}/32")
        if kind == 0:
            for view in views:
                view.drop(network)
        else:
            hits.append(bool(views[host].table.find(network)))
            if not hits[-1]:
                grant = Grant(network, "u", "log", None, at, at, at + 3600)
                views[host].remember(network, [grant])
    return Point(
        "questions answered from the view",
        100 * statistics.mean(hits),
        100 * float(asked.hit.mean()),
        "%",
    )


def all_points(costs: Costs, quick: bool) -> list[Point]:
    seconds = 5.0 if quick else 20.0
    found = [views()]
    for share, shards in ((0.02, 1), (0.1, 1), (0.02, 3), (0.1, 3)):
        if not quick or share == 0.02:
            found += point(share, shards, seconds, costs)
    return found


def as_rows(points: Sequence[Point]) -> list[dict[str, Any]]:
    """For the table of the benches."""
    return [
        common.row(
            f"{point.what}, measured of the model's",
            f"{point.measured:.3g} {point.unit}",
            f"model {point.model:.3g} {point.unit}",
            [point.measured / point.model],
        )
        for point in points
        if point.model
    ]
