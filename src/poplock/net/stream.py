"""Drives dialogues over stream sockets: TCP, unix, TLS.

What keeps a hostile or broken peer from harming others: a limit of connections, of unanswered
output, of time for a request and of idle time; after `WireError` the connection is closed. One slow
peer stops being read once it stops reading. A peer that isn't admitted and that the protocol can't
refuse is closed unheard.
"""

import asyncio
import logging
import socket
from typing import cast

from ..core.addresses import IPAddress, parse_ip
from ..core.errors import WireError
from .listen import remove_name
from .service import Service
from .talk import Talk
from .tls import Acceptor, ServerTls

log = logging.getLogger(__name__)

_SLICE = 8192  # bytes read from a telling peer at once: 60 syslog messages, 0.3 ms of work


class StreamServer:
    """One listener of a service and its connections."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.connections: set[_Connection] = set()
        self.tls: ServerTls | None = None
        self._server: asyncio.Server | None = None
        self._acceptor: Acceptor | None = None
        self._socket: socket.socket | None = None

    async def start(self, sock: socket.socket, tls: ServerTls | None = None) -> None:
        """Serve on a listening socket."""
        loop = asyncio.get_running_loop()
        self._socket = sock
        self.tls = tls
        if tls is not None:
            self._acceptor = Acceptor(tls, self.service, self._connection)
            self._acceptor.start(sock)
            return
        make = loop.create_unix_server if sock.family == socket.AF_UNIX else loop.create_server
        self._server = await make(self._connection, sock=sock)

    def _connection(self) -> "_Connection":
        return _Asking(self) if self.service.intake is None else _Telling(self)

    def sweep(self) -> None:
        """Close connections that have been silent, or in the middle of a request, for too long."""
        now, limits = asyncio.get_running_loop().time(), self.service.limits
        for connection in list(self.connections):
            if connection.active:
                connection.active, connection.heard = False, now
            if connection.partial and now - connection.heard > limits.request:
                connection.refuse(f"no end of the request within {limits.request:.0f} s")
            elif now - connection.heard > limits.idle:
                connection.close()

    async def close(self) -> None:
        """Stop listening and close every connection."""
        if self._server is not None and self._socket is not None:
            remove_name(self._socket)
            self._server.close()
        if self._acceptor is not None:
            self._acceptor.close()
        for connection in list(self.connections):
            connection.close()


class _Connection(Talk, asyncio.BaseProtocol):
    def __init__(self, server: StreamServer) -> None:
        self._server = server
        self._transport: asyncio.Transport
        self.heard = asyncio.get_running_loop().time()
        self.active = False
        """Whether it was heard since the last sweep, in the middle of a request only at first."""
        self.partial = False
        self._refused = False
        self._unheard = False  # it doesn't read what we have said
        self._ended = False  # the peer says nothing more, and may wait for replies

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        server, service = self._server, self._server.service
        peer = _address(transport)
        super().__init__(service, peer, service.rights(peer), datagram=False)
        if len(server.connections) >= service.limits.connections:
            self._refused = True
            service.complain("everybody", f"{service.limits.connections} connections are open")
            self._transport.abort()
        elif not self._admitted:
            self.refuse("it is not among the peers")
        elif server.tls is not None and not server.tls.knows(transport):
            self.refuse("its certificate names nobody who may come (tls.client_names)")
        else:
            server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._refused:  # over TLS, asyncio hands on what came before the end
            return
        try:
            requests = self._dialogue.receive_data(data)
        except WireError as error:
            self._say()
            self.refuse(str(error))
            return
        except Exception:
            log.exception("%s: a bug in the dialogue with %s", self._service.name, self._peer())
            self._transport.abort()
            return
        if requests or self._dialogue.at_rest:
            self.active, self.partial = True, False
            self._take(requests)
        elif self._say() or not self.partial:  # what the dialogue answered by itself was one
            self.active = self.partial = True

    def eof_received(self) -> bool:
        self._ended = True
        self.data_received(b"")
        return self._waiting  # the replies that are still owed go out first

    def _say(self) -> bool:
        said = super()._say()
        if self._ended and not self._waiting:
            self._transport.close()
        return said

    def pause_writing(self) -> None:
        self._unheard = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._unheard = False
        if not self._waiting:
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self._server.connections.discard(self)

    def refuse(self, why: str) -> None:
        """Close for a fault of the peer; it isn't heard any more."""
        self._refused = True
        self._service.complain(self._peer(), why)
        if self._transport.get_write_buffer_size():
            self._transport.close()
        else:
            self._transport.abort()

    def close(self) -> None:
        self._transport.close()

    def _send(self, data: bytes) -> None:
        self._transport.write(data)

    def _pause(self) -> None:
        self._transport.pause_reading()

    def _resume(self) -> None:
        if not self._unheard:
            self._transport.resume_reading()

    def _close(self) -> None:
        self._transport.close()

    def _closed(self) -> bool:
        return self._transport.is_closing()

    def _peer(self) -> str:
        peer = self._transport.get_extra_info("peername")
        return str(peer[0]) if isinstance(peer, tuple) else "a local program"


class _Asking(_Connection, asyncio.Protocol):
    """A peer that asks, read as it comes."""


class _Telling(_Connection, asyncio.BufferedProtocol):
    """A peer that may tell much at once, read in slices: the others get their turn between them.

    Without the pause, the event loop would go on with this one for as long as it has more to say.
    """

    def __init__(self, server: StreamServer) -> None:
        super().__init__(server)
        self._slice = memoryview(bytearray(_SLICE))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._slice

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self._slice[:nbytes]))
        if not self._waiting and not self._closed():
            self._pause()
            asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        if not self._waiting and not self._closed():
            self._resume()


def _address(transport: asyncio.BaseTransport) -> IPAddress | None:
    """The peer's address; None on a unix socket."""
    peer = transport.get_extra_info("peername")
    return parse_ip(peer[0].partition("%")[0]) if isinstance(peer, tuple) else None
