"""Drives dialogues over datagrams: UDP and unix. Each datagram is a conversation of its own.

Nobody proves who sent a datagram: the peers' list keeps out those who don't lie about their
address, and a network that drops forged senders the others. So a datagram that is wrong, or from a
stranger, gets no reply unless the protocol has one for it, and is counted.

What has come is read at once, up to a number that leaves others their turn, and the replies go out
together: each that goes alone wakes its client, which costs more than to answer him.
"""

import asyncio
import logging
import socket
from contextlib import suppress
from typing import Any, NamedTuple

from ..core.addresses import IPAddress, parse_ip
from ..core.errors import WireError
from .listen import remove_name
from .service import Rights, Service
from .talk import Talk

log = logging.getLogger(__name__)

_MOST_SENDERS = 1000  # whose rights are remembered; as many as a host has peers
_BATCH = 32  # datagrams read before others get their turn: syslog messages take 0.3 ms
_LONGEST = 65_537  # bytes: one more than any protocol takes, so that what is cut off is refused

_Address = tuple[Any, ...] | str | bytes
_Back = _Address | None  # None: a unix socket without a name


class _Sender(NamedTuple):
    """Who sends datagrams, and what he may do."""

    name: str
    address: IPAddress | None
    rights: Rights


class DatagramServer:
    """One datagram socket of a service."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._socket: socket.socket
        self._senders: dict[str, _Sender] = {}
        self._replies: list[tuple[bytes, _Address]] | None = None
        """What goes out together; None: what is said goes out at once."""

    async def start(self, sock: socket.socket) -> None:
        """Serve on a bound socket that doesn't block."""
        self._socket = sock
        asyncio.get_running_loop().add_reader(sock, self._ready)

    async def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        remove_name(self._socket)
        self._socket.close()

    @property
    def closed(self) -> bool:
        return self._socket.fileno() < 0

    def _ready(self) -> None:
        recvfrom = self._socket.recvfrom
        received: list[tuple[bytes, _Back]] = []
        with suppress(OSError):
            while len(received) < _BATCH:
                received.append(recvfrom(_LONGEST))
        replies = self._replies = []
        for data, back in received:
            self._hear(data, back)
        self._replies = None
        for data, back in replies:
            self.send(data, back)

    def _hear(self, data: bytes, back: _Back) -> None:
        service = self.service
        host = back[0] if type(back) is tuple else ""
        sender = self._senders.get(host) or self._meet(host)
        try:
            _Exchange(self, back, sender).hear(data)
        except WireError as error:
            service.complain(sender.name, str(error))
        except Exception:
            log.exception("%s: a bug in the dialogue with %s", service.name, sender.name)

    def send(self, data: bytes, back: _Address) -> None:
        """Reply, in company where others are about to be; what can't be sent now is lost."""
        if self._replies is not None:
            self._replies.append((data, back))
            return
        with suppress(OSError):
            self._socket.sendto(data, back)

    def _meet(self, host: str) -> _Sender:
        """A sender, remembered: his address is read and looked up once."""
        address = parse_ip(host.partition("%")[0]) if host else None
        if len(self._senders) >= _MOST_SENDERS:
            self._senders.clear()
        rights = self.service.rights(address)
        sender = self._senders[host] = _Sender(host or "a local program", address, rights)
        return sender


class _Exchange(Talk):
    """One datagram and the replies to it."""

    def __init__(self, server: DatagramServer, back: _Back, sender: _Sender) -> None:
        self._server = server
        self._back = back  # where replies go
        self._name = sender.name
        super().__init__(server.service, sender.address, sender.rights, datagram=True)

    def hear(self, data: bytes) -> None:
        """Take one datagram."""
        if not self._admitted:
            raise WireError("it is not among the peers")
        try:
            requests = self._dialogue.receive_data(data)
        except WireError:
            self._say()  # what the protocol says to a wrong request
            raise
        self._take(requests)

    def _say(self) -> bool:
        return not self._waiting and super()._say()  # all replies to a datagram stand in one

    def _send(self, data: bytes) -> None:
        if self._back:  # a program with an unbound unix socket can't be answered
            self._server.send(data, self._back)

    def _closed(self) -> bool:
        return self._server.closed

    def _peer(self) -> str:
        return self._name
