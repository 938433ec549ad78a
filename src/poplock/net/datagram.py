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
from typing import Any

from ..core.addresses import IPAddress, parse_ip
from ..core.answers import NoOpinion, Permit, Query
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


class DatagramServer:
    """One datagram socket of a service."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._socket: socket.socket
        self._exchanges: dict[str, _Exchange] = {}  # each sender's last
        self.replies: list[tuple[bytes, _Back]] = []
        """What goes out together."""
        self.reading = False

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
        recvfrom, exchanges = self._socket.recvfrom, self._exchanges
        received: list[tuple[bytes, _Back]] = []
        try:
            while len(received) < _BATCH:
                received.append(recvfrom(_LONGEST))
        except OSError:
            pass  # nearly always: that was all
        self.reading = True
        try:
            for data, back in received:
                host = back[0] if type(back) is tuple else ""
                exchange = exchanges.get(host) or self._meet(host)
                if not exchange.idle:
                    exchange = exchanges[host] = exchange.another()
                exchange.hear(data, back)
        finally:
            self.reading = False
            self.send()

    def send(self) -> None:
        """Send the replies; what can't be sent now is lost."""
        replies, self.replies = self.replies, []
        sendto = self._socket.sendto
        for data, back in replies:
            if back:  # a program with an unbound unix socket can't be answered
                try:
                    sendto(data, back)
                except OSError:
                    continue

    def _meet(self, host: str) -> "_Exchange":
        """A sender, remembered: his address is read and looked up once."""
        address = parse_ip(host.partition("%")[0]) if host else None
        if len(self._exchanges) >= _MOST_SENDERS:
            self._exchanges.clear()
        rights = self.service.rights(address)
        made = _Exchange(self, host or "a local program", address, rights)
        self._exchanges[host] = made
        return made


class _Exchange(Talk):
    """One datagram of a sender and the replies to it, and then the next."""

    _piecewise = False  # all replies to a datagram stand in one

    def __init__(
        self, server: DatagramServer, name: str, address: IPAddress | None, rights: Rights
    ) -> None:
        self._server = server
        self._sender = (name, address, rights)
        self._back: _Back  # where replies go
        super().__init__(server.service, address, rights, datagram=True)
        self._lasts = self._dialogue.lasts
        self.idle = True
        """Whether it can take a datagram."""

    def another(self) -> "_Exchange":
        """One with the same sender."""
        return _Exchange(self._server, *self._sender)

    def hear(self, data: bytes, back: _Back) -> None:
        """Take one datagram.

        Nearly always that is one question, and its answer is known: it is given here, since the way
        through `_take`, made for all that may have to wait, costs 5 % more.
        """
        if not self._admitted:
            self._service.complain(self._peer(), "it is not among the peers")
            return
        self.idle = False
        self._back = back
        dialogue, answer = self._dialogue, None
        try:
            requests = dialogue.receive_data(data)
            if len(requests) == 1 and isinstance(query := requests[0], Query) and self._may_ask:
                answer = self._check(query)
                if type(answer) is Permit or (type(answer) is NoOpinion and not self._patience):
                    dialogue.reply(query, answer)
                    if dialogue.said and not dialogue.refusals and not dialogue.closing:
                        self._send(dialogue.said)
                        dialogue.said = b""
                        self.idle = self._lasts
                        return
                    requests = ()  # there is more to say or do than to reply
            self._take(requests, found=answer)
        except WireError as error:
            self._say()  # what the protocol says to a wrong request
            self._service.complain(self._peer(), str(error))
        except Exception:
            log.exception("%s: a bug in the dialogue with %s", self._service.name, self._peer())
        else:
            self.idle = self._lasts and not self._waiting

    def _send(self, data: bytes) -> None:
        server = self._server
        server.replies.append((data, self._back))
        if not server.reading:  # else it goes in company
            server.send()

    def _close(self) -> None:
        self._lasts = False

    def _closed(self) -> bool:
        return self._server.closed

    def _peer(self) -> str:
        return self._sender[0]
