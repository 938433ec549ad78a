"""Serves an ASGI application on our sockets, in the daemon's event loop.

HTTP itself is uvicorn's, with h11 as the parser: it is strict where readers could disagree, and
bounds what it collects of a header. uvicorn's own `Server` is left out: it takes the process's
signals and wakes up ten times a second. What it doesn't bound is bounded here: who may come, how
many, how long a request may take and a connection be silent.
"""

import asyncio
import logging
import socket
from email.utils import formatdate
from functools import partial
from typing import Any, cast

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from ..core.addresses import IPAddress, parse_ip
from .listen import remove_name
from .service import Door
from .tls import Acceptor, ServerTls

_MOST_HEADER = 16_384  # bytes of a request line and its headers; a token takes a hundred
_GOODBYE = (
    "HTTP/1.1 {status}\r\nContent-Type: application/problem+json\r\nContent-Length: {length}\r\n"
    "Connection: close\r\n\r\n{body}"
)

logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # each stranger's fault is a warning


class HttpServer:
    """One application behind one or more sockets of a door."""

    def __init__(self, door: Door, app: Any, tls: ServerTls | None = None) -> None:
        self.door = door
        self.state = ServerState()
        self.tls = tls
        self._config = Config(
            app,
            http=_Connection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # whoever says what the client's address is, says it in the body
            server_header=False,
            date_header=False,
            timeout_keep_alive=int(door.limits.idle),
            h11_max_incomplete_event_size=_MOST_HEADER,
        )
        self._config.load()
        self._listeners: list[tuple[socket.socket, asyncio.Server]] = []
        self._acceptors: list[Acceptor] = []

    @property
    def connections(self) -> int:
        return len(self.state.connections)

    async def start(self, sock: socket.socket) -> None:
        """Serve on a listening socket."""
        loop = asyncio.get_running_loop()
        make = partial(_Connection, self)
        if self.tls is not None and sock.family != socket.AF_UNIX:
            acceptor = Acceptor(self.tls, self.door, make)
            acceptor.start(sock)
            self._acceptors.append(acceptor)
            return
        if sock.family == socket.AF_UNIX:
            server = await loop.create_unix_server(make, sock=sock)
        else:
            server = await loop.create_server(make, sock=sock)
        self._listeners.append((sock, server))

    async def close(self) -> None:
        """Stop listening and close every connection; what is being answered is answered."""
        for sock, server in self._listeners:
            remove_name(sock)
            server.close()
        for acceptor in self._acceptors:
            acceptor.close()
        for connection in list(self.state.connections):
            cast(_Connection, connection).shutdown()

    def protocol(self) -> tuple[Config, ServerState, dict[str, Any]]:
        """What uvicorn's protocol is made of."""
        return self._config, self.state, {}


class _Connection(H11Protocol):
    """uvicorn's connection, with the limits that it lacks."""

    def __init__(self, server: HttpServer) -> None:
        super().__init__(*server.protocol())
        self._door = server.door
        self._tls = server.tls
        self._due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast(asyncio.Transport, transport)
        peer = _address(stream)
        self._name = "a local program" if peer is None else str(peer)
        limits = self._door.limits
        if not self._door.admission.may_tell(peer):
            self._turn_away(stream, "403 Forbidden", "this address is not among the peers here")
        elif peer is not None and self._tls is not None and not self._tls.knows(transport):
            why = "this certificate names nobody who may come (tls.client_names)"
            self._turn_away(stream, "403 Forbidden", why)
        elif len(self.connections) >= limits.connections:
            why = f"{limits.connections} connections are open"
            self._turn_away(stream, "503 Service Unavailable", why)
        else:
            super().connection_made(stream)
            self.timeout_keep_alive_task = self.loop.call_later(
                limits.idle, self.timeout_keep_alive_handler
            )

    def _turn_away(self, transport: asyncio.Transport, status: str, why: str) -> None:
        """Say no and close, before anything was read."""
        self._door.complain(self._name, why)
        code, _, title = status.partition(" ")
        body = f'{{"status":{code},"title":"{title}","detail":"{why}"}}\n'
        transport.write(_GOODBYE.format(status=status, length=len(body), body=body).encode())
        transport.close()
        self.transport = transport
        self.data_received = lambda data: None  # type: ignore[method-assign]
        self.connection_lost = lambda exc: None  # type: ignore[method-assign]

    def data_received(self, data: bytes) -> None:
        if self._due is None:
            self._due = self.loop.call_later(self._door.limits.request, self._too_slow)
        self._tell_the_date()
        super().data_received(data)
        if self._between_requests():
            self._in_time()

    def _tell_the_date(self) -> None:
        state = self.server_state
        now = formatdate(usegmt=True).encode()
        if not state.default_headers or state.default_headers[0][1] != now:
            state.default_headers = [(b"date", now)]

    def _between_requests(self) -> bool:
        done = self.cycle is not None and self.cycle.response_complete
        return done and self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]

    def on_response_complete(self) -> None:
        self._in_time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def _in_time(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _too_slow(self) -> None:
        """The request hasn't come, or its answer isn't being read."""
        seconds = self._door.limits.request
        self._door.complain(self._name, f"no end of the request within {seconds:.0f} s")
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        self._door.complain(self._name, "not HTTP/1.1, or a header that is too long")
        if self.cycle is not None:  # what an application may still say of this request is void
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:  # an answer to an earlier request is under way
            self.transport.abort()

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # it has stopped reading
        else:
            super().timeout_keep_alive_handler()


def _address(transport: asyncio.Transport) -> IPAddress | None:
    peer = transport.get_extra_info("peername")
    return parse_ip(str(peer[0]).partition("%")[0]) if isinstance(peer, tuple) else None
