"""Measures every cost of the model, and keeps them in `costs.json` beside the machine's name.

The report is made from that file, so its figures can be made again without measuring.
"""

import asyncio
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from testbed.engines import Server

from .. import common
from ..latency import one_login
from ..member import loop_factory, member
from . import commands
from .hosts import FILLED, host_costs, policy_costs
from .measure import Shard, shard_costs, used
from .site import Costs

FILE = Path(__file__).parent / "costs.json"
GRANTS = 5_000
VIEWED = 200_000
READ = 1_000  # lines of the log, one by one
SHARED_BY = 5  # grants of a network, where the size of each is measured
HOP = 100e-6  # assumed: one way within a data centre


def kept() -> Costs:
    """What was measured last."""
    known = {field.name for field in fields(Costs)}
    measured = json.loads(FILE.read_text())["costs"]
    return Costs(**{name: value for name, value in measured.items() if name in known})


def measure() -> dict[str, Any]:
    """Measure all; some two minutes."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        with Server(options={"appendonly": "no"}) as server:
            pid = server.process_id
            os.sched_setaffinity(pid, {common.SERVER_CPU})
            found |= _of_shard(Shard(server.port, pid))
        with (
            Server(options={"appendonly": "no"}) as server,
            asyncio.Runner(loop_factory=loop_factory()) as runner,
        ):
            found |= runner.run(_of_host(server, Path(folder)))
        with Server(options={"appendonly": "no"}) as server:
            found |= _of_daemon(server)
    found |= _of_policy()
    found["hop"] = HOP
    found["packet"] = Costs.packet
    said = {
        "cpu": _cpu(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        "costs": found,
    }
    FILE.write_text(json.dumps(said, indent=1) + "\n")
    return said


def _of_shard(shard: Shard) -> dict[str, float]:
    single = shard.fill(50_000)
    several = shard.fill(10_000, SHARED_BY, first=2_000_000)
    grant = (several - single) / (SHARED_BY - 1)
    costs = shard_costs(shard)
    document = len(commands.document(5))
    with shard.followed(1) as (host,):
        before = host.heard
        shard.client.send(shard.keeps(100))
        shard.client.replies(100)
        host.replies(1)
        pushed = (host.heard - before) / 100
    return costs | {
        "key_bytes": single - grant,
        "grant_bytes": grant,
        "script_wire": len(commands.keep(5)) + 4,
        "get_wire": len(commands.get([5])) + 8,
        "get_wire_each": document,
        "push_wire": pushed,
    }


async def _of_host(server: Server, folder: Path) -> dict[str, float]:
    async with member([server.address], folder) as one:
        shard = Shard(server.port, server.process_id)
        await asyncio.to_thread(shard.fill, FILLED)
        await asyncio.sleep(1.0)
        costs = await host_costs(one, server.port)
        await asyncio.to_thread(shard.fill, VIEWED)
        command = [sys.executable, "-m", "bench.viewing", server.address, str(VIEWED)]
        said = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
        return costs | {"view_bytes": float(said.stdout)}


def _of_daemon(server: Server) -> dict[str, float]:
    more = f'[shared]\nnodes = ["{server.address}"]\n'
    with common.place(more=more) as here, common.daemon(here) as pid:
        time.sleep(2)
        before = used(pid)
        time.sleep(3)
        return {"host_idle": (used(pid) - before) / 3}


def _of_policy() -> dict[str, float]:
    with common.place() as here:
        common.fill(here, GRANTS)
        with common.daemon(here) as pid:
            costs = policy_costs(here.port, pid, GRANTS)
            with (
                socket.create_connection(("127.0.0.1", here.port)) as sock,
                here.log.open("ab", buffering=0) as log,
            ):
                times = sorted(one_login(log, sock, GRANTS + i) for i in range(100))
                before = used(pid)
                for number in range(READ):
                    log.write(common.login_line(GRANTS + 100 + number))
                    time.sleep(0.002)
                reading = (used(pid) - before) / READ
    return costs | {"log": times[50], "reading": reading}


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return "unknown processor"
