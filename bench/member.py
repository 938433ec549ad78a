"""A host that shares a store, inside the bench's process: the real parts, without sockets.

What `poplock run` puts together for `[shared]`, so that a bench can ask at the store's interface.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from poplock.authorizer import Authorizer
from poplock.config.shared import SharedSection
from poplock.core.addresses import Network
from poplock.core.answers import Answer, Elsewhere, Query, Unavailable
from poplock.core.clock import SystemClock
from poplock.core.grants import Grant
from poplock.core.policy import Policy, Rules
from poplock.keeper import Keeper
from poplock.shared import Hold, Shared
from poplock.stores.redis import RedisStore
from poplock.stores.sqlite import SqliteStore

SOURCE = "file:/var/log/mail.log"
WINDOW = 3600.0


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """The daemon's event loop, in an interpreter that is tuned as the daemon's."""
    from poplock.serve import _event_loop, tune_interpreter

    tune_interpreter()
    return _event_loop()


class Member:
    """The parts of one host."""

    def __init__(self, authorizer: Authorizer, store: RedisStore, shared: Shared) -> None:
        self.authorizer = authorizer
        self.store = store
        self.shared = shared

    def forget(self) -> None:
        """Let the view be empty."""
        self.authorizer.seen = self.shared.following.view.clear()

    async def ask_all(self, clients: Sequence[str], at_once: int) -> dict[type, int]:
        """Ask for each client, so many without waiting; how often each answer came."""
        told: dict[type, int] = {}
        done = asyncio.Event()
        left, waiting = len(clients), 0
        coming = iter(clients)

        def answered(answer: Answer) -> None:
            nonlocal left, waiting
            told[type(answer)] = told.get(type(answer), 0) + 1
            left -= 1
            waiting -= 1
            if left == 0:
                done.set()
            elif waiting <= at_once // 2:  # as connections do, whose answers come together
                refill()

        def refill() -> None:
            nonlocal waiting
            for client in coming:
                waiting += 1
                query = Query(client)
                answer = self.authorizer.check(query)
                if isinstance(answer, Elsewhere):
                    answer.ask(query, answered)
                else:
                    loop.call_soon(answered, answer)
                if waiting >= at_once:
                    break

        loop = asyncio.get_running_loop()
        refill()
        await done.wait()
        return told

    def grant(self, network: str, user: str) -> Grant:
        """What a login of now earns."""
        now = self.authorizer.clock.now()
        return Grant(Network(network), user, SOURCE, None, now, now, now + WINDOW)


@asynccontextmanager
async def member(
    nodes: Sequence[str], folder: Path, *, mode: str = "single", host: str = "host-1"
) -> AsyncIterator[Member]:
    """A host that follows the store at `nodes`, once its word counts."""
    settings = SharedSection(nodes=tuple(nodes), mode=mode, host=host)  # type: ignore[arg-type]
    authorizer = Authorizer(Policy(Rules(window=WINDOW)), SystemClock())
    file = SqliteStore(folder / f"{host}.db", write=True)
    store = RedisStore(settings)
    shared = Shared(settings, authorizer, store, hold=Hold.ASKED)
    await shared.meet(None)
    authorizer.load(file)
    keeper = Keeper(authorizer, file, 30.0)
    tasks = [asyncio.create_task(part.run()) for part in (shared, keeper)]
    one = Member(authorizer, store, shared)
    try:
        async with asyncio.timeout(60):
            await _counts(shared)
        yield one
    finally:
        for task in tasks:
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                await asyncio.gather(*tasks, return_exceptions=True)
        await store.reach.close()
        file.close()


async def _counts(shared: Shared) -> None:
    """Return when the store's word counts; nothing tells of it, so ask again and again."""
    nobody = Query("192.0.2.1")
    while isinstance(await shared.ask(nobody), Unavailable):  # noqa: ASYNC110
        await asyncio.sleep(0.1)
