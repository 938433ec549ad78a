"""Tells rpcbind where an RPC program listens, as `clnt_create` and so every DRAC client asks it.

rpcbind is told over its unix socket (RPCBPROC_SET, version 4: it then knows whose registration it
is), or where that isn't there over UDP to port 111 of loopback (PMAPPROC_SET, version 2). It
forgets all when it is started anew, so it is told again each minute; to tell it twice changes
nothing.

It may be missing: clients that are given the port need it not. So trouble here is a line in the log
and in `status`, and never ends anything.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from ..config.listen import Listen
from ..core.errors import PoplockError, WireError
from ..sources.intake import Health
from ..wire.xdr import Reader, Records, marked, string, words

log = logging.getLogger(__name__)

SOCKET = "/run/rpcbind.sock"
_AGAIN = 60.0  # seconds between two times that rpcbind is told
_PATIENCE = 3.0  # seconds for an answer of a program on this host
_LONGEST_REPLY = 1024

_PROGRAM, _PORT = 100_000, 111
_PMAP, _RPCB = 2, 4
_SET, _UNSET = 1, 2
_PROTOCOLS = {"tcp": 6, "udp": 17}


class Endpoint(NamedTuple):
    """A socket as rpcbind names it: `netid` is tcp, udp, tcp6 or udp6."""

    netid: str
    universal: str  # the address as RFC 5665 writes it
    port: int

    @classmethod
    def of(cls, listen: Listen) -> "Endpoint":
        """The endpoint of an IP socket."""
        netid = ("udp" if listen.datagram else "tcp") + ("6" if ":" in (listen.host or "") else "")
        high, low = divmod(listen.port, 256)
        return cls(netid, f"{listen.host}.{high}.{low}", listen.port)


class Portmapper:
    """The registration of one program; what stands in its way is written into `health`."""

    def __init__(
        self,
        program: int,
        versions: Sequence[int],
        sockets: Sequence[Listen],
        health: Health,
        rpcbind: str = SOCKET,
    ) -> None:
        self._program = program
        self._versions = versions
        self._endpoints = [Endpoint.of(listen) for listen in sockets]
        self._rpcbind = rpcbind
        self._health = health

    async def run(self) -> None:
        """Keep the program registered until cancelled; then take it out."""
        try:
            await self._tell(_UNSET)  # what a killed one has left
            while True:
                await self._tell(_SET)
                await asyncio.sleep(_AGAIN)
        finally:
            if self._health.trouble is None:
                await self._tell(_UNSET)

    async def _tell(self, procedure: int) -> None:
        """Register or take out every version everywhere; never raises."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._over_unix_or_udp(procedure)
        except (OSError, PoplockError) as error:  # a timeout is an OSError
            why = str(error) or "no answer"
            if procedure == _SET:
                self._note(f"rpcbind: {why}; clients must be told the port, or rpcbind installed")
        else:
            if procedure == _SET:
                self._note(None)

    def _note(self, trouble: str | None) -> None:
        if trouble != self._health.trouble:
            if trouble is None:
                log.info("rpcbind knows program %d again", self._program)
            else:
                log.warning("%s", trouble)
        self._health.trouble = trouble

    async def _over_unix_or_udp(self, procedure: int) -> None:
        try:
            reader, writer = await asyncio.open_unix_connection(self._rpcbind)
        except OSError:
            await self._over_udp(procedure)
            return
        try:
            records = Records(_LONGEST_REPLY)
            for number, arguments in enumerate(self._rpcb_arguments(procedure)):
                writer.write(marked(_call(number, _RPCB, procedure, arguments)))
                replies: list[bytes] = []
                while not replies:
                    data = await reader.read(_LONGEST_REPLY)
                    if not data:
                        raise WireError("the connection was closed")
                    replies += records.feed(data)
                self._check(procedure, replies[0], number)
        finally:
            writer.close()

    def _rpcb_arguments(self, procedure: int) -> list[bytes]:
        """One mapping each. To take out: without a netid, all of a version."""
        places = (
            [("", "")] if procedure == _UNSET else [(e.netid, e.universal) for e in self._endpoints]
        )
        return [
            words(self._program, version) + string(netid) + string(universal) + string("")
            for version in self._versions
            for netid, universal in places
        ]

    async def _over_udp(self, procedure: int) -> None:
        """Version 2 of the protocol knows IPv4 only."""
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_datagram_endpoint(
            _Replies, remote_addr=("127.0.0.1", _PORT)
        )
        try:
            number = 0
            for version in self._versions:
                for endpoint in self._endpoints:
                    if endpoint.netid not in _PROTOCOLS:
                        continue
                    number += 1
                    arguments = words(
                        self._program, version, _PROTOCOLS[endpoint.netid], endpoint.port
                    )
                    transport.sendto(_call(number, _PMAP, procedure, arguments))
                    self._check(procedure, await protocol.reply(), number)
        finally:
            transport.close()

    def _check(self, procedure: int, reply: bytes, number: int) -> None:
        done = _result(reply, number)
        if procedure == _SET and not done:
            raise PoplockError(f"program {self._program} is registered there by another")


class _Replies(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self._next: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def reply(self) -> bytes:
        """The next datagram."""
        data = await self._next
        self._next = asyncio.get_running_loop().create_future()
        return data

    def datagram_received(self, data: bytes, addr: object) -> None:
        with suppress(asyncio.InvalidStateError):
            self._next.set_result(data)

    def error_received(self, exc: Exception) -> None:
        with suppress(asyncio.InvalidStateError):
            self._next.set_exception(exc)


def _call(number: int, version: int, procedure: int, arguments: bytes) -> bytes:
    """A call of rpcbind without credentials."""
    return words(number, 0, 2, _PROGRAM, version, procedure, 0, 0, 0, 0) + arguments


def _result(reply: bytes, number: int) -> bool:
    """The boolean in an accepted reply to call `number`."""
    message = Reader(reply)
    if message.word() != number or message.word() != 1:
        raise WireError("an answer to something else")
    if message.word() != 0:
        raise WireError("it refused the call")
    message.word()
    message.skip(message.word())
    if message.word() != 0:
        raise WireError("it doesn't know the procedure")
    return message.word() != 0
