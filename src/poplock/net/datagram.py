"""Drives dialogues over datagrams: UDP and unix. Each datagram is a conversation of its own.

Nobody proves who sent a datagram: the peers' list keeps out those who don't lie about their
address, and a network that drops forged senders the others. So a datagram that is wrong, or from a
stranger, gets no reply unless the protocol has one for it, and is counted.
"""

import asyncio
import logging
import socket
from typing import Any, NamedTuple, cast

from ..core.addresses import IPAddress, parse_ip
from ..core.errors import WireError
from .listen import remove_name
from .service import Rights, Service
from .talk import Talk

log = logging.getLogger(__name__)

_MOST_SENDERS = 1000  # whose rights are remembered; as many as a host has peers

_Address = tuple[Any, ...] | str | bytes | None


class _Sender(NamedTuple):
    """Who sends datagrams, and what he may do."""

    name: str
    address: IPAddress | None
    rights: Rights


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
        self._senders: dict[str, _Sender] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: _Address) -> None:
        service = self._service
        host = str(addr[0]) if isinstance(addr, tuple) else ""
        sender = self._senders.get(host) or self._meet(host)
        try:
            _Exchange(service, self._transport, addr, sender).hear(data)
        except WireError as error:
            service.complain(sender.name, str(error))
        except Exception:
            log.exception("%s: a bug in the dialogue with %s", service.name, sender.name)

    def _meet(self, host: str) -> _Sender:
        """A sender, remembered: his address is read and looked up once."""
        address = parse_ip(host.partition("%")[0]) if host else None
        if len(self._senders) >= _MOST_SENDERS:
            self._senders.clear()
        rights = self._service.rights(address)
        sender = self._senders[host] = _Sender(host or "a local program", address, rights)
        return sender


class _Exchange(Talk):
    """One datagram and the replies to it."""

    def __init__(
        self,
        service: Service,
        transport: asyncio.DatagramTransport,
        back: _Address,
        sender: _Sender,
    ) -> None:
        self._transport = transport
        self._back = back  # where replies go
        self._name = sender.name
        super().__init__(service, sender.address, sender.rights, datagram=True)

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
        if self._back:  # a program with an unbound unix socket can't be answered
            self._transport.sendto(data, self._back)

    def _closed(self) -> bool:
        return self._transport.is_closing()

    def _peer(self) -> str:
        return self._name
