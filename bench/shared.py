"""What does a store that hosts share cost: answers, misses, logins, memory?

1. Answers from the view: `poplock run` with `[shared]` against one without, both asked about
   clients with a grant only, by c/load.c, in turns.
2. Misses, each asking the store: at its interface (the real parts in this process, batches as a
   hundred connections make them), of clients with a grant there and of clients without, and
   through the policy service, 64 connections without a grant. Beside them
   `redis-benchmark -P 100 GET`: of the same documents under as many random keys, and as it is by
   default (one key, which is the server at its quickest); and the client library alone, which
   sends GET in pipelines of a hundred and throws the replies away.
3. Logins applied through one store, beside redis-benchmark with as many EVALSHA of the same script
   on documents of the same size.
4. Memory of a grant in the server and in a host's view.

The server has one processor, whoever asks it the other.
"""

import asyncio
import math
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha1
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from poplock.core.addresses import Network
from poplock.core.clock import Mark, SystemClock
from poplock.core.grants import Grant
from poplock.stores import Batch
from poplock.stores.redis import _KEEP, _OUTLIVES
from poplock.stores.sqlite import SqliteStore
from testbed.engines import Server

from . import common
from .common import Place, Row, address, daemon, load, pin, place, row
from .forms import POLICY
from .member import Member, loop_factory, member
from .scale import commands

_COLUMNS = 7  # of redis-benchmark's table: the rate, then six latencies
GRANTS = 5_000
CONNECTIONS = 100
YES, NO = "action=OK\n\n", "action=DUNNO\n\n"


def run(quick: bool = False) -> list[Row]:
    rounds, seconds = (2, 0.5) if quick else (9, 1.0)
    return [
        *_view(rounds, seconds),
        *_misses(2 if quick else 5, 20_000 if quick else 100_000),
        *_misses_of_policy(rounds, seconds),
        *_logins(2 if quick else 5, 10_000 if quick else 50_000),
        *_memory(50_000 if quick else 1_000_000),
    ]


@contextmanager
def _server(**options: str) -> Iterator[Server]:
    with Server(options={"appendonly": "no"} | options) as server:
        os.sched_setaffinity(server.process_id, {common.SERVER_CPU})
        yield server


def _shared(server: Server) -> str:
    return f'[shared]\nnodes = ["{server.address}"]\n'


# Answers from the view.


def _view(rounds: int, seconds: float) -> list[Row]:
    asked = replace(POLICY, no=YES)  # all clients have a grant
    rows = []
    with _server() as server, place() as alone, place(more=_shared(server)) as several:
        for here in (alone, several):
            _fill_both_halves(here)
        with daemon(alone) as one, daemon(several) as other:
            _until_told(several, 2 * GRANTS)
            for connections in (8, 64):
                turns = []
                for number in range(rounds + 1):
                    turn = []
                    for here, pid in ((several, other), (alone, one)):
                        before = common.cpu_seconds(pid)
                        found = load(here.port, connections, seconds, GRANTS, asked)
                        used = common.cpu_seconds(pid) - before
                        turn.append(found | {"each": used / found["with_warm_up"]})
                    if number:  # the first fills the view
                        turns.append(turn)
                for what, key, ratio in (
                    ("answers/s", "rate", lambda a, b: a / b),
                    ("answers per CPU second", "each", lambda a, b: b / a),
                ):
                    values = [ratio(a[key], b[key]) for a, b in turns]
                    texts = [_text(key, [turn[i][key] for turn in turns]) for i in (0, 1)]
                    figure = f"{what} from the view, {connections} connections, of a single host's"
                    rows.append(row(figure, texts[0], f"single {texts[1]}", values, least=0.9))
    return rows


def _text(key: str, values: list[float]) -> str:
    middle = sorted(values)[len(values) // 2]
    return f"{middle:,.0f}/s" if key == "rate" else f"{middle * 1e6:.1f} µs"


def _fill_both_halves(here: Place) -> None:
    """Grants for all clients that c/load.c asks about, as this host's own evidence."""
    clock = SystemClock()
    store = SqliteStore(here.store, write=True)
    try:
        batch, now = Batch(), clock.now()
        for number in range(GRANTS):
            for ip in (address(number), "21" + address(number)[2:]):
                network = Network(f"{ip}/32")
                user = f"user{number}@example.org"
                grant = Grant(network, user, f"file:{here.log}", None, now, now, now + 3600)
                batch.grants[grant.key] = grant
        store.commit(batch, Mark(clock.boot_id(), clock.uptime(), now))
    finally:
        store.close()


def _until_told(here: Place, grants: int) -> None:
    def told() -> bool:
        shared = here.status()["shared"]
        return bool(here.status()["grants"] == grants and shared["to_tell"] == 0)

    common.wait_for(told, "the store to be told all", every=0.2)
    time.sleep(11)  # "no grant" is no answer of a store that is younger than max_staleness


# Misses.


def _misses(rounds: int, count: int) -> list[Row]:
    async def ours() -> None:
        known = [address(number) for number in range(count)]
        strangers = [f"22{client[2:]}" for client in known]
        with tempfile.TemporaryDirectory() as folder:
            async with member([server.address], Path(folder)) as one:
                await _tell(one, count)
                client = await one.store.reach.client()
                for number in range(rounds + 1):
                    one.forget()
                    turn = [
                        _Rate(_benchmark(server, count, *_get(count))),
                        _Rate(_benchmark(server, count, "-t", "get")),
                        await _timed(one.ask_all(known, CONNECTIONS), count),
                        await _timed(one.ask_all(strangers, CONNECTIONS), count),
                        await _timed(_library(client, one.store.key, known), count),
                    ]
                    if number:  # the first gets the process warm
                        turns.append(turn)

    turns: list[list[_Rate]] = []
    with _server() as server, _on_the_clients_processor():
        _documents(server, count)
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(ours())
    rows = []
    for what, mine, peer, least in (
        (
            "misses/s at the store's interface, granted there, of GET of the same documents",
            2,
            0,
            0.3,
        ),
        ("misses/s at the store's interface, no grant there, of GET by default", 3, 1, 0.3),
        ("the client library alone, of GET of the same documents", 4, 0, None),
    ):
        rates, peers = ([turn[i] for turn in turns] for i in (mine, peer))
        each = [rate.cpu for rate in rates]
        said = f"{_text('rate', [rate.rate for rate in rates])}, {_text('each', each)} each"
        ratios = [a.rate / b.rate for a, b in zip(rates, peers, strict=True)]
        of = _text("rate", [rate.rate for rate in peers])
        rows.append(row(f"{what} (redis-benchmark -P 100)", said, of, ratios, least=least))
    return rows


class _Rate(NamedTuple):
    """Requests a second, and the processor's seconds for each."""

    rate: float
    cpu: float = math.nan


async def _timed(work: Awaitable[object], count: int) -> _Rate:
    start, used = time.monotonic(), time.thread_time()
    await work
    used, took = time.thread_time() - used, time.monotonic() - start
    return _Rate(count / took, used / count)


async def _library(client: Any, key: Callable[[Network], str], clients: Sequence[str]) -> None:
    """What the library takes for as many GET, two pipelines being under way."""
    keys = iter([key(Network(f"{client}/32")) for client in clients])

    async def ask() -> None:
        while some := list(islice(keys, CONNECTIONS)):
            pipeline = client.pipeline(transaction=False)
            for one in some:
                pipeline.get(one)
            await pipeline.execute()

    await asyncio.gather(ask(), ask())


def _misses_of_policy(rounds: int, seconds: float) -> list[Row]:
    asked = replace(POLICY, yes=NO)  # nobody has a grant
    rates, p99s, peers = [], [], []
    with _server() as server, place(more=_shared(server)) as here, daemon(here):
        _until_told(here, 0)
        _documents(server, GRANTS)
        for _ in range(rounds):
            found = load(here.port, 64, seconds, GRANTS, asked)
            rates.append(found["rate"])
            p99s.append(found["p99_us"] / 1e3)
            peers.append(_benchmark(server, 200_000, *_get(GRANTS)))
    return [
        row(
            "misses/s through the policy service, of redis-benchmark -P 100 GET",
            _text("rate", rates),
            _text("rate", peers),
            [a / b for a, b in zip(rates, peers, strict=True)],
        ),
        row("misses' p99 in ms, policy service, 64 connections", "–", "–", p99s),
    ]


async def _tell(one: Member, count: int) -> None:
    for first in range(0, count, 500):
        many = range(first, min(first + 500, count))
        grants = [one.grant(f"{address(n)}/32", f"user{n}@example.org") for n in many]
        await one.store.keep(grants, (), "host-1", one.authorizer.clock.now(), 86_400)


def _documents(server: Server, count: int) -> None:
    """The same documents under keys that redis-benchmark can name."""
    name = "string.format('bench:{%012d}', i)"
    code = f"for i = 0, ARGV[1] - 1 do redis.call('SET', {name}, ARGV[2]) end"
    path = server.folder / "document"
    path.write_bytes(commands.document(7))
    command = [*_cli(server), "-x", "EVAL", code, "0", str(count)]
    with path.open("rb") as document:
        subprocess.run(command, check=True, stdin=document, capture_output=True)


def _get(keys: int) -> list[str]:
    return ["-r", str(keys), "GET", "bench:{__rand_int__}"]


def _cli(server: Server) -> list[str]:
    return [*server.flavour.program("cli"), "-p", str(server.port)]


def _benchmark(server: Server, requests: int, *what: str, stdin: bytes | None = None) -> float:
    """Requests a second of redis-benchmark -P 100 with its 50 connections."""
    program = [*server.flavour.program("benchmark"), "-p", str(server.port), "--csv"]
    numbers = ["-P", "100", "-n", str(max(200_000, requests) if stdin is None else requests)]
    said = subprocess.run(
        [*program, *numbers, *what],
        input=stdin,
        capture_output=True,
        check=True,
        preexec_fn=pin(common.CLIENT_CPU),
    )
    return float(re.findall(rb'"([\d.]+)"', said.stdout)[-_COLUMNS])


@contextmanager
def _on_the_clients_processor() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {common.CLIENT_CPU})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


# Logins.


def _logins(rounds: int, count: int) -> list[Row]:
    async def ours() -> list[float]:
        with tempfile.TemporaryDirectory() as folder:
            async with member([server.address], Path(folder)) as one:
                rates = []
                for _ in range(rounds):
                    peers.append(_benchmark(server, count, *script, stdin=told))
                    start = time.monotonic()
                    await _tell(one, count)
                    rates.append(count / (time.monotonic() - start))
                return rates

    peers: list[float] = []
    told = _without_nul()
    # The document comes last, from standard input; what it is to outlive stands in the script.
    code = _KEEP.replace("ARGV[2]", f"'{_OUTLIVES}'")
    sha = sha1(code.encode(), usedforsecurity=False).hexdigest()
    script = ["-x", "-r", "100000000", "EVALSHA", sha, "1", "bench:{__rand_int__}"]
    with (
        _server() as server,
        _on_the_clients_processor(),
        asyncio.Runner(loop_factory=loop_factory()) as runner,
    ):
        load = [*_cli(server), "SCRIPT", "LOAD", code]
        assert subprocess.run(load, capture_output=True, check=True).stdout.decode().strip() == sha
        rates = runner.run(ours())
    figure = "logins/s through one store, of redis-benchmark -P 100 EVALSHA of the same script"
    values = [a / b for a, b in zip(rates, peers, strict=True)]
    return [row(figure, _text("rate", rates), _text("rate", peers), values)]


def _without_nul() -> bytes:
    """A document that can stand in a command line's argument, which redis-benchmark makes of it."""
    dice = random.Random(1)
    while b"\0" in (told := commands.document(dice.randrange(10**6))):
        pass
    return told


# Memory.


def _memory(count: int) -> list[Row]:
    async def fill() -> float:
        with tempfile.TemporaryDirectory() as folder:
            async with member([server.address], Path(folder)) as one:
                before = int(server.facts("memory")["used_memory"])
                await _tell(one, count)
                return (int(server.facts("memory")["used_memory"]) - before) / count

    with _server() as server:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            stored = runner.run(fill())
        command = [sys.executable, "-m", "bench.viewing", server.address, str(count)]
        said = subprocess.run(command, check=True, capture_output=True, text=True)
        viewed = float(said.stdout)
    what = f"at {count:,} grants, each of its own network"
    return [
        row(f"bytes a grant in the server {what}", "–", "–", [stored]),
        row(f"bytes a grant in a host's view {what}", "–", "–", [viewed]),
    ]
