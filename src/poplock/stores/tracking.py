"""One connection to one master: what is asked there, what changes there, and how fresh that is.

The engine broadcasts the keys under our prefix that were written (CLIENT TRACKING, mode BCAST).
What is remembered was read on the same connection, so that a value and the news that it has changed
come in the order in which they happened; and a heartbeat's reply stands behind all news of before
it was asked, so it proves how far we know of every change. A connection that is lost, or silent
for too long, is made anew, and what happened meanwhile is unknown: whoever remembers anything is
told so.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import hiredis
from redis import exceptions as errors

from .reaching import LIBRARY_ERRORS, Master, Reach, SharedStoreError

log = logging.getLogger(__name__)

BEAT = 1.0  # seconds between two heartbeats
_AGAIN = 0.25  # seconds before a lost connection is made anew


class Beat(NamedTuple):
    """A heartbeat's answer."""

    sent: float
    """When it was asked, by the event loop's clock: all changes of before are known."""
    took: float
    store_time: float
    """The store's clock in the middle of that, seconds of the epoch."""


class Identity(NamedTuple):
    """Which server answers, and since when it has gone its own way.

    `replid` changes with every promotion, `run_id` with every start.
    """

    run_id: str
    replid: str
    uptime: float


class Follower(Protocol):
    """Who wants to know."""

    async def linked(self, name: str, identity: Identity) -> None:
        """Changes are told from now on; what happened before is to be asked for."""

    def lost(self, name: str, why: SharedStoreError) -> None: ...

    def changed(self, name: str, keys: list[bytes] | None) -> None:
        """These keys were written; None: all of them may have been."""

    def beat(self, name: str, beat: Beat) -> None: ...


class Tracker:
    """Keeps such a connection."""

    def __init__(
        self, master: Master, reach: Reach, prefixes: Sequence[str], follower: Follower
    ) -> None:
        self.name = master.name
        self._make = master.connection
        self._reach = reach
        self._prefixes = prefixes
        self._follower = follower
        self._connection: Any = None
        self._replies: deque[asyncio.Future[Any]] = deque()
        self._timeout = float(reach.settings.timeout)

    async def run(self) -> None:
        """Keep connected until cancelled, or until a password or key has to be read anew."""
        while True:
            try:
                await self._follow()
            except LIBRARY_ERRORS as error:
                explained = self._reach.explained(error)
                self._follower.lost(self.name, explained)
                if await self._reach.read_anew(explained):
                    return  # whoever starts trackers makes one with the new password
            await asyncio.sleep(_AGAIN)

    async def _follow(self) -> None:
        connection = self._make()
        tasks: list[asyncio.Task[None]] = []
        try:
            await connection.connect()
            self._connection = connection  # from now on others may ask
            connection._parser.set_invalidation_push_handler(self._pushed)
            tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._keep_up())]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()  # it never ends well
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._connection = None
            self._fail(errors.ConnectionError("the connection was lost"))
            await connection.disconnect(nowait=True)

    async def _keep_up(self) -> None:
        """Follow what changes, and ask again and again whether we still do."""
        followed = [word for prefix in self._prefixes for word in ("PREFIX", prefix)]
        await self.ask("CLIENT", "TRACKING", "ON", "BCAST", *followed)
        identity = _identity(await self.ask("INFO"))
        await self._beat()
        await self._follower.linked(self.name, identity)
        while True:
            await asyncio.sleep(BEAT)
            await self._beat()

    async def _beat(self) -> None:
        now = asyncio.get_running_loop().time
        sent = now()
        seconds, micros = await self.ask("TIME")
        took = now() - sent
        self._follower.beat(self.name, Beat(sent, took, int(seconds) + int(micros) / 1e6))

    async def ask(self, *command: str) -> Any:
        """The reply to a command; errors of the library."""
        (reply,) = await self.ask_all([command])
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def ask_all(self, commands: Sequence[Sequence[str]]) -> list[Any]:
        """The replies to commands, errors among them; an error of the connection is raised."""
        connection = self._connection
        if connection is None or not connection.is_connected:
            # The library would connect anew by itself, and nothing would be told on that one.
            raise errors.ConnectionError("not connected")
        loop = asyncio.get_running_loop()
        replies: list[asyncio.Future[Any]] = [loop.create_future() for _ in commands]
        self._replies.extend(replies)
        # The library packs in Python, six times as slowly; the stub knows tuples of one word only.
        packed = [hiredis.pack_command(tuple(c)) for c in commands]  # type: ignore[arg-type]
        async with asyncio.timeout(self._timeout):
            await connection.send_packed_command(packed, check_health=False)
            # They come in order: when the last is there, all are.
            await asyncio.wait(replies[-1:])
        failed = replies[-1].exception()
        if failed is not None:
            raise failed
        return [reply.result() for reply in replies]

    async def _read(self) -> None:
        """Give replies to those who wait, in their order; what is pushed stands between them."""
        read, replies = self._connection.read_response, self._replies
        while True:
            try:
                reply = await read(timeout=math.inf, push_request=True)
            except errors.ResponseError as error:
                reply = error
            if reply is not _PUSHED:
                waiting = replies.popleft()
                if not waiting.done():
                    waiting.set_result(reply)

    def _fail(self, error: Exception) -> None:
        while self._replies:
            waiting = self._replies.popleft()
            if not waiting.done():
                waiting.set_exception(error)
                waiting.exception()  # only the last one of a batch is looked at

    async def _pushed(self, message: list[Any]) -> object:
        self._follower.changed(self.name, message[1])
        return _PUSHED


_PUSHED = object()


def _identity(info: bytes | str) -> Identity:
    text = info.decode() if isinstance(info, bytes) else info
    told = dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)
    return Identity(
        told.get("run_id", ""),
        told.get("master_replid", ""),
        float(told.get("uptime_in_seconds", 0)),
    )
