"""What one thing costs a host: the processor time of the real parts, on their own thread's clock.

The view, the asking and the telling run in this process (`bench.member`); who writes to the store
meanwhile is another thread, whose time doesn't count. The policy service is measured from outside,
at a real `poplock run`.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address

from poplock.core.events import Login

from .. import common
from ..forms import POLICY
from ..member import SOURCE, Member
from . import commands
from .measure import ROUNDS, Client

FILLED = 20_000  # networks with a grant in the store
TURNS = 300
MANY = 100


async def host_costs(member: Member, port: int) -> dict[str, float]:
    """The costs of `site.Costs` that are a host's, but for the policy service."""
    numbers = iter(range(1, 10**9))

    async def told(many: int) -> None:
        now = time.time()
        member.authorizer.record([_login(next(numbers), now) for _ in range(many)])
        await member.shared.told()

    async def missed(many: int) -> None:
        await member.ask_all([f"21.0.{i >> 8}.{i & 255}" for i in range(many)], many)

    async def pushed(many: int) -> None:
        await asyncio.to_thread(_write, port, many, next(numbers))

    async def found(many: int) -> None:
        first = next(numbers) * MANY % FILLED
        clients = [commands.network(first + i).partition("/")[0] for i in range(many)]
        await member.ask_all(clients, many)

    login_one, login_many = await _busy(lambda: told(1)), await _busy(lambda: told(MANY))
    miss_one, miss_many = await _busy(lambda: missed(1)), await _busy(lambda: missed(MANY))
    hit_many = await _busy(lambda: found(MANY))
    push_one, push_many = await _busy(lambda: pushed(1)), await _busy(lambda: pushed(MANY))
    login = (login_many - login_one) / (MANY - 1)
    nothing = await _busy(lambda: asyncio.to_thread(lambda: None))
    miss = (miss_many - miss_one) / (MANY - 1)
    return {
        "login": login,
        "login_turn": login_one - login,
        "miss": max(miss, (hit_many - miss_one) / (MANY - 1)),
        "flight": miss_one - miss,
        "drop": (push_many - push_one) / (MANY - 1),
        "push": max(0.0, push_one - nothing),
    }


def policy_costs(port: int, pid: int, grants: int) -> dict[str, float]:
    """A question to the policy service that the view answers."""
    one, many = (_each(port, pid, grants, connections) for connections in (1, 64))
    return {"question": many, "smtp_turn": max(0.0, one - many)}


def _each(port: int, pid: int, grants: int, connections: int) -> float:
    before = common.cpu_seconds(pid)
    result = common.load(port, connections, 2.0, grants, POLICY)
    return float((common.cpu_seconds(pid) - before) / result["with_warm_up"])


async def _busy(work: Callable[[], Awaitable[object]], turns: int = TURNS // ROUNDS) -> float:
    """Seconds of this thread's processor time for once."""
    taken = []
    for _ in range(ROUNDS):
        before = time.thread_time()
        for _ in range(turns):
            await work()
        taken.append((time.thread_time() - before) / turns)
    return statistics.median(taken)


def _login(number: int, now: float) -> Login:
    ip = IPv4Address((22 << 24) + number)
    return Login(now, ip, f"user{number}@example.org", "imap", True, None, SOURCE, "dovecot")


_writers: dict[int, Client] = {}


def _write(port: int, many: int, first: int) -> None:
    """So many networks change in one turn of the server; until the followers have been told."""
    client = _writers.setdefault(port, Client(port))
    client.send(b"".join(commands.keep((first * MANY + i) % FILLED) for i in range(many)))
    client.replies(many)
    time.sleep(0.002)  # the push goes out with the reply; another thread reads it
