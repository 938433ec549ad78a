"""TLS for listeners: 1.2 and newer, with client certificates where a CA for them is named.

A server of asyncio's could do all of it, but tells nobody whose handshake failed, and why.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from ..config.listen import Tls
from ..core.addresses import parse_ip
from ..core.errors import ConfigError
from .service import Door

log = logging.getLogger(__name__)

_PAUSE = 1.0  # seconds before the next attempt, where no descriptor is left for a connection


class ServerTls(NamedTuple):
    """How a listener speaks TLS. `names`: whom a client's certificate must name; empty: anybody."""

    context: ssl.SSLContext
    names: frozenset[str] = frozenset()

    def knows(self, transport: asyncio.BaseTransport) -> bool:
        """Whether the client's certificate names somebody who may come."""
        return not self.names or not self.names.isdisjoint(
            _names(transport.get_extra_info("peercert"))
        )


def server_tls(tls: Tls, where: str) -> ServerTls:
    """What `tls` describes; ConfigError names the key whose file isn't right."""
    return ServerTls(server_context(tls, where), frozenset(n.lower() for n in tls.client_names))


def server_context(tls: Tls, where: str) -> ssl.SSLContext:
    """The same without the names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"cannot use the certificate {tls.certificate} with the key {tls.key}: {error}",
            f"{where}.certificate",
        ) from error
    if tls.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(tls.client_ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"cannot use {tls.client_ca} as CA of clients: {error}", f"{where}.client_ca"
            ) from error
    return context


class Acceptor:
    """Accepts connections and gives those whose handshake comes out well to protocols of `make`."""

    def __init__(self, tls: ServerTls, door: Door, make: Callable[[], asyncio.BaseProtocol]):
        self._context = tls.context
        self._door = door
        self._make = make
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._spawn(self._accept(sock))

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, sock: socket.socket) -> None:
        loop, door = asyncio.get_running_loop(), self._door
        with sock:
            while True:
                try:
                    connection, address = await loop.sock_accept(sock)
                except OSError as error:
                    log.error("%s: cannot accept a connection: %s", door.name, error)
                    await asyncio.sleep(_PAUSE)
                    continue
                if not door.admission.admits(parse_ip(address[0].partition("%")[0])):
                    self._refuse(connection, address[0], "it is not among the peers")
                elif len(self._tasks) > door.limits.connections:
                    self._refuse(connection, address[0], "too many handshakes are going on")
                else:
                    self._spawn(self._shake_hands(connection, address[0]))

    async def _shake_hands(self, connection: socket.socket, peer: str) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=self._door.limits.request,
            )
        except OSError as error:  # ssl's errors and timeouts are such, too
            self._refuse(connection, peer, f"no TLS: {_reason(error)}")

    def _refuse(self, connection: socket.socket, peer: str, why: str) -> None:
        self._door.complain(peer, why)
        connection.close()


def _reason(error: OSError) -> str:
    return error.reason if isinstance(error, ssl.SSLError) and error.reason else str(error)


def _names(certificate: dict[str, Any] | None) -> set[str]:
    """Whom a certificate names: the DNS names of its subject, else its common name (RFC 5425)."""
    if not certificate:
        return set()
    names = {v.lower() for kind, v in certificate.get("subjectAltName", ()) if kind == "DNS"}
    if names:
        return names
    subject = certificate.get("subject", ())
    return {v.lower() for part in subject for kind, v in part if kind == "commonName"}
