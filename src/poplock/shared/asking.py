"""Asks the shared store for clients that aren't in the view, every time.

Questions gather while others are under way, and go together. Each master is asked on the connection
on which we follow it, so what it says may be remembered. While the store can't be reached or
followed the answer is `unavailable` at once.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from redis.exceptions import AskError, MovedError

from ..authorizer import Authorizer
from ..core.addresses import Network
from ..core.answers import Answer, NoOpinion, Query, Unavailable
from ..core.errors import StoreError
from ..core.grants import Grant
from ..core.table import Change
from ..stores.document import Document
from ..stores.reaching import LIBRARY_ERRORS, SharedStoreError
from ..stores.redis import RedisStore
from .links import Links
from .view import Hold, View

log = logging.getLogger(__name__)

_MOST_FLIGHTS = 4  # questions under way at once; more gather into the next

_Waiting = tuple[Query, Callable[[Answer], None], bool]
"""Who is called back with the answer, and whether it counts: an operator's question doesn't."""

_Values = dict[Network, bytes | Exception | None]


class Asker:
    """Finds out what the store says of networks, and remembers it."""

    def __init__(
        self,
        authorizer: Authorizer,
        store: RedisStore,
        links: Links,
        view: View,
        *,
        hold: Hold,
        on_moved: Callable[[], None],
    ) -> None:
        """`on_moved` is called when keys are found at another master than was thought."""
        self._authorizer = authorizer
        self._store = store
        self._links = links
        self._view = view
        self._hold = hold
        self._on_moved = on_moved
        self._asked: dict[Network, list[_Waiting]] = {}
        self._flights = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def look(self, query: Query, done: Callable[[Answer], None]) -> None:
        """Ask for an MTA, and call back with the answer."""
        self._look((query, done, True))

    async def ask(self, query: Query) -> Answer:
        """Ask for an operator, whose questions don't count."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._look((query, answer.set_result, False))
        return await answer

    def refresh(self, network: Network) -> None:
        """Ask anew for a network that was changed."""
        self._asked.setdefault(network, [])
        self._ask_soon()

    def _look(self, waiting: _Waiting) -> None:
        client = waiting[0].client
        network = self._authorizer.network(client)
        why = self._links.why_not()
        if network is None or why is not None:
            answer = Unavailable(why or f"{client[:64]!r} is not an address")
            asyncio.get_running_loop().call_soon(self._tell, [waiting], answer)
            return
        others = self._asked.get(network)
        if others is None:
            self._asked[network] = [waiting]
        else:
            others.append(waiting)
        self._ask_soon()

    def _ask_soon(self) -> None:
        if self._flights < _MOST_FLIGHTS:
            self._flights += 1
            asyncio.get_running_loop().call_soon(self._ask)

    def _ask(self) -> None:
        asked, self._asked = self._asked, {}
        if not asked:
            self._flights -= 1
            return
        task = asyncio.create_task(self.find(asked))
        self._tasks.add(task)
        task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._flights -= 1
        if self._asked:
            self._ask_soon()
        if not task.cancelled() and task.exception() is not None:
            log.error("a bug while the shared store was asked", exc_info=task.exception())

    async def find(self, asked: dict[Network, list[_Waiting]]) -> None:
        """Ask for networks, tell those who wait, and remember what holds."""
        authorizer = self._authorizer
        found, moved = await self._documents(list(asked))
        failure, unsettled = self._links.why_not(), self._links.unsettled
        now = authorizer.clock.now()
        changes: list[Change] = []
        for network, waiting in asked.items():
            document = found.get(network)
            if failure is not None or isinstance(document, StoreError):
                self._tell(waiting, Unavailable(failure or str(document)))
                continue
            rights = [] if document is None else self._view.rights(document, now)
            if network not in moved and self._wanted(rights):
                changes += self._view.remember(network, rights)
            if rights:
                best = max(rights, key=lambda grant: grant.expires_at)
                for one in waiting:
                    self._tell([one], authorizer.permit(best, one[0], rights))
            elif waiting:
                self._tell(waiting, _none(network, unsettled))
        authorizer.show(changes)

    def _tell(self, waiting: Iterable[_Waiting], answer: Answer) -> None:
        for query, done, counts in waiting:
            if counts:
                self._authorizer.count(query, answer)
            done(answer)

    def _wanted(self, rights: list[Grant]) -> bool:
        """Whether it is to be remembered; a map must know also that there is none."""
        return self._hold is Hold.EVERYTHING or (self._hold is Hold.ASKED and bool(rights))

    async def _documents(
        self, networks: list[Network]
    ) -> tuple[dict[Network, Document | StoreError], list[Network]]:
        """What the masters say, each on the connection on which we follow it.

        And which networks move just now from one to another (resharding): the library finds them,
        but nobody tells us of their changes.
        """
        store, values = self._store, _Values()
        if not store.reach.clustered:
            return store.documents((await self._ask_master(networks)).items()), []
        for some in await asyncio.gather(*map(self._ask_master, self._by_master(networks))):
            values |= some
        moved = [n for n, value in values.items() if isinstance(value, MovedError | AskError)]
        for network in moved:
            del values[network]
        found = store.documents(values.items())
        if moved:
            self._on_moved()
            try:
                found |= await store.find(moved)
            except SharedStoreError as error:
                found |= dict.fromkeys(moved, error)
        return found, moved

    def _by_master(self, networks: list[Network]) -> Iterable[list[Network]]:
        by_master: dict[str | None, list[Network]] = {}
        for network in networks:
            master = self._store.reach.holder(self._store.key(network))
            by_master.setdefault(master, []).append(network)
        return by_master.values()

    async def _ask_master(self, networks: list[Network]) -> _Values:
        """What stands under the keys of one master."""
        store = self._store
        keys = [store.key(network) for network in networks]
        try:
            tracker = self._links.tracker(keys[0])
            if store.reach.clustered:  # its keys are in many slots
                values = await tracker.ask_all([("GET", key) for key in keys])
            else:
                values = await tracker.ask("MGET", *keys)
        except (*LIBRARY_ERRORS, SharedStoreError) as error:
            return dict.fromkeys(networks, error)
        return dict(zip(networks, values, strict=True))


def _none(network: Network, unsettled: float) -> Answer:
    if unsettled:
        return Unavailable(
            f"the shared store is new or has failed over; it counts in {unsettled:.0f} s"
        )
    return NoOpinion(f"no grant for {network}")
