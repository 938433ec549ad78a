"""Drives dialogues over stream sockets.

A question is answered inside the call that delivers its bytes: a task or an `await` for each would
cost more than the question. Only a client without a grant may have to wait: a POP/IMAP server may
log a login a moment *after* it told the client (Dovecot 2.4 was seen to be a millisecond late), and
who logs in and sends at once would be refused. So "no grant" is said after `patience`, unless the
login comes meanwhile. Those who wait are strangers who want to relay; nobody else is held up.

What keeps a hostile or broken peer from harming others: a limit of
connections, of unanswered output, of time for a request and of idle time; after `WireError` the
connection is closed. One slow peer stops being read once it stops reading.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from ..answers import Dialogue
from ..core.answers import Answer, NoOpinion, Query
from ..core.errors import WireError
from .listen import remove_name

log = logging.getLogger(__name__)

_SAY_AGAIN = 60.0  # seconds before the same complaint about the same peer is logged again
_MOST_COMPLAINTS = 1000  # peers remembered for that


class Authority(Protocol):
    """Who knows the answers: the Authorizer."""

    def check(self, query: Query) -> Answer: ...

    def expect(self, query: Query, wake: Callable[[], None]) -> Callable[[], None] | None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and counts."""

    connections: int
    idle: float
    request: float
    patience: float


class StreamServer:
    """One listener and its connections."""

    def __init__(
        self,
        name: str,
        make_dialogue: Callable[[], Dialogue],
        authority: Authority,
        limits: Limits,
    ) -> None:
        self.name = name
        self.limits = limits
        self.make_dialogue = make_dialogue
        self.authority = authority
        self.connections: set[_Connection] = set()
        self.refused = 0
        self._complaints: dict[str, float] = {}
        self._server: asyncio.Server | None = None
        self._socket: socket.socket | None = None

    async def start(self, sock: socket.socket) -> None:
        """Serve on a listening socket."""
        loop = asyncio.get_running_loop()
        self._socket = sock
        if sock.family == socket.AF_UNIX:
            self._server = await loop.create_unix_server(lambda: _Connection(self), sock=sock)
        else:
            self._server = await loop.create_server(lambda: _Connection(self), sock=sock)

    def sweep(self) -> None:
        """Close connections that have been silent, or in the middle of a request, for too long."""
        now = asyncio.get_running_loop().time()
        for connection in list(self.connections):
            if connection.active:
                connection.active, connection.heard = False, now
            if connection.partial and now - connection.heard > self.limits.request:
                connection.refuse(f"no end of the request within {self.limits.request:.0f} s")
            elif now - connection.heard > self.limits.idle:
                connection.close()

    def complain(self, peer: str, why: str) -> None:
        """Count a peer's fault, and log it unless that was said lately."""
        self.refused += 1
        now = asyncio.get_running_loop().time()
        if now - self._complaints.get(peer, -_SAY_AGAIN) < _SAY_AGAIN:
            return
        if len(self._complaints) >= _MOST_COMPLAINTS:
            self._complaints.clear()
        self._complaints[peer] = now
        log.warning("%s: closed the connection of %s: %s", self.name, peer, why)

    async def close(self) -> None:
        """Stop listening and close every connection."""
        if self._server is not None and self._socket is not None:
            remove_name(self._socket)
            self._server.close()
        for connection in list(self.connections):
            connection.close()


class _Connection(asyncio.Protocol):
    def __init__(self, server: StreamServer) -> None:
        self._server = server
        self._dialogue: Dialogue = server.make_dialogue()
        self._check = server.authority.check
        self._patience = server.limits.patience
        self._held: Sequence[Query] = ()  # the one that waits, and those behind it
        self._stop_waiting: Callable[[], None] | None = None
        self._transport: asyncio.Transport
        self.heard = asyncio.get_running_loop().time()
        self.active = False
        """Whether it was heard since the last sweep, in the middle of a request only at first."""
        self.partial = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        server = self._server
        if len(server.connections) >= server.limits.connections:
            server.complain("everybody", f"{server.limits.connections} connections are open")
            self._transport.abort()
            return
        server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        try:
            requests = self._dialogue.receive_data(data)
        except WireError as error:
            self.refuse(str(error))
            return
        except Exception:
            log.exception("%s: a bug in the dialogue with %s", self._server.name, self._peer())
            self._transport.abort()
            return
        if requests:
            self.active, self.partial = True, False
            if self._held:
                self._held = [*self._held, *requests]
            else:
                self._answer(requests)
        elif not self.partial:
            self.active = self.partial = True

    def _answer(self, requests: Sequence[Query], waited: bool = False) -> None:
        """Answer in order, up to a client whose login may be on its way."""
        dialogue = self._dialogue
        for number, request in enumerate(requests):
            answer = self._check(request)
            unsure = type(answer) is NoOpinion and self._patience
            if unsure and not waited and self._wait(request):
                self._held = requests[number:]
                break
            waited = False
            dialogue.reply(request, answer)
        reply = dialogue.data_to_send()
        if reply:
            self._transport.write(reply)

    def _wait(self, request: Query) -> bool:
        """Go on when the client has logged in, or after `patience`; False where that can't help."""
        forget = self._server.authority.expect(request, self._go_on)
        if forget is None:
            return False
        timer = asyncio.get_running_loop().call_later(self._patience, self._go_on)
        self._transport.pause_reading()

        def stop() -> None:
            timer.cancel()
            forget()
            self._stop_waiting = None

        self._stop_waiting = stop
        return True

    def _go_on(self) -> None:
        if self._stop_waiting is not None:
            self._stop_waiting()
            if self._transport.is_closing():
                return
            self._transport.resume_reading()
            held, self._held = self._held, ()
            self._answer(held, waited=True)

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._stop_waiting is None:
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._stop_waiting is not None:
            self._stop_waiting()
        self._server.connections.discard(self)

    def refuse(self, why: str) -> None:
        """Close for a fault of the peer."""
        self._server.complain(self._peer(), why)
        self._transport.abort()

    def close(self) -> None:
        self._transport.close()

    def _peer(self) -> str:
        peer = self._transport.get_extra_info("peername")
        return str(peer[0]) if isinstance(peer, tuple) else "a local program"
