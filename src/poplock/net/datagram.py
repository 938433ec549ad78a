"""Drives dialogues over datagrams: UDP and unix. Each datagram is a conversation of its own.

Nobody proves who sent a datagram: the peers' list keeps out those who don't lie about their
address, and a network that drops forged senders the others. So a datagram that is wrong, or from a
stranger, gets no reply unless the protocol has one for it, and is counted.
"""

import asyncio
import logging
import socket
from typing import Any, cast

from ..core.addresses import IPAddress, parse_ip
from ..core.errors import WireError
from .listen import remove_name
from .service import Service
from .talk import Talk

log = logging.getLogger(__name__)

_Address = tuple[Any, ...] | str | bytes | None


class DatagramServer:
    """One datagram socket of a service."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._transport: asyncio.DatagramTransport | None = None
        self._socket: socket.socket | None = None

    async def start(self, sock: socket.socket) -> None:
        """Serve on a bound socket."""
        self._socket = sock
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Receiver(self), sock=sock)
        self._transport = transport

    async def close(self) -> None:
        if self._socket is not None and self._transport is not None:
            remove_name(self._socket)
            self._transport.close()


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, server: DatagramServer) -> None:
        self._service = server.service
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: _Address) -> None:
        service = self._service
        exchange = _Exchange(service, self._transport, addr)
        try:
            exchange.hear(data)
        except WireError as error:
            service.complain(exchange.peer, str(error))
        except Exception:
            log.exception("%s: a bug in the dialogue with %s", service.name, exchange.peer)


class _Exchange(Talk):
    """One datagram and the replies to it."""

    def __init__(
        self, service: Service, transport: asyncio.DatagramTransport, sender: _Address
    ) -> None:
        self._transport = transport
        self._sender = sender
        self.peer, address = "a local program", None
        if isinstance(sender, tuple):
            self.peer = str(sender[0])
            address = _address(self.peer)
        super().__init__(service, address, datagram=True)

    def hear(self, data: bytes) -> None:
        """Take one datagram."""
        if not self._admitted:
            raise WireError("it is not among the peers")
        dialogue = self._dialogue
        try:
            requests = [*dialogue.receive_data(data), *dialogue.receive_data(b"")]
        except WireError:
            self._say()  # what the protocol says to a wrong request
            raise
        self._take(requests)

    def _say(self) -> bool:
        return not self._waiting and super()._say()  # all replies to a datagram stand in one

    def _send(self, data: bytes) -> None:
        if self._sender:  # a program with an unbound unix socket can't be answered
            self._transport.sendto(data, self._sender)

    def _closed(self) -> bool:
        return self._transport.is_closing()

    def _peer(self) -> str:
        return self.peer


def _address(text: str) -> IPAddress:
    return parse_ip(text.partition("%")[0])
