"""Opens what answers and listening sources listen at, and drives it until the daemon ends.

Sockets are opened before the daemon says that it is ready; one that can't be opened is a
ConfigError that names its key.
"""

import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from .answers import make_dialogues as make_answers
from .authorizer import Authorizer
from .config.answers import AnswerSettings
from .config.listen import Listen
from .config.sources import DracSettings, ListeningSettings, ServingSettings
from .core.errors import ConfigError
from .net.datagram import DatagramServer
from .net.listen import open_listener
from .net.service import Admission, Door, Limits, Service
from .net.stream import StreamServer
from .net.tls import server_tls
from .office import Row
from .sources import make_application, make_dialogues
from .sources.intake import Intake

Spawn = Callable[[str, Callable[[], Awaitable[None]]], None]


class Listeners:
    """Everything that others connect to, but the control socket. `exits` closes it again."""

    def __init__(self, authorizer: Authorizer, exits: AsyncExitStack, spawn: Spawn) -> None:
        self._authorizer = authorizer
        self._exits = exits
        self._spawn = spawn
        self._answers: list[Service] = []
        self._servers: list[StreamServer] = []

    async def answer(self, settings: AnswerSettings, where: str, *, with_sender: bool) -> None:
        """Serve one `[[answer]]`."""
        service = Service(
            settings.listen,
            make_answers(settings, with_sender=with_sender),
            self._authorizer,
            _limits(settings, settings.patience),
            Admission(ask=settings.may_ask()),
        )
        self._answers.append(service)
        await self._serve(service, settings.socket(), settings, where)

    async def source(self, settings: ListeningSettings, intake: Intake, where: str) -> None:
        """Serve one `[[source]]` that others tell."""
        intake.health.caught_up = True
        if isinstance(settings, ServingSettings):
            await self._serve_http(settings, intake, where)
            return
        service = Service(
            settings.title,
            make_dialogues(settings, intake),
            self._authorizer,
            _limits(settings),
            Admission(ask=settings.may_ask(), tell=settings.may_tell()),
            intake,
        )
        for listen in settings.sockets():
            await self._serve(service, listen, settings, where)
        if isinstance(settings, DracSettings) and settings.portmapper:
            from .net.portmapper import Portmapper
            from .sources.drac import PROGRAM, VERSIONS

            portmapper = Portmapper(PROGRAM, VERSIONS, settings.sockets(), intake.health)
            self._spawn(f"{settings.title} at rpcbind", portmapper.run)

    def sweep(self) -> None:
        """Close connections that were silent for too long."""
        for server in self._servers:
            server.sweep()

    def rows(self) -> list[Row]:
        """The answers, as `status` shows them."""
        return [
            {
                "listen": answer.name,
                "connections": sum(
                    len(s.connections) for s in self._servers if s.service is answer
                ),
                "refused": answer.refused,
            }
            for answer in self._answers
        ]

    async def _serve(
        self,
        service: Service,
        listen: Listen,
        settings: AnswerSettings | ListeningSettings,
        where: str,
    ) -> None:
        sock = _open(listen, settings, where)
        if listen.datagram:
            receiver = DatagramServer(service)
            await receiver.start(sock)
            self._exits.push_async_callback(receiver.close)
            return
        server = StreamServer(service)
        secured = settings.secured() if isinstance(settings, ListeningSettings) else None
        await server.start(sock, None if secured is None else server_tls(secured, f"{where}.tls"))
        self._exits.push_async_callback(server.close)
        self._servers.append(server)

    async def _serve_http(self, settings: ServingSettings, intake: Intake, where: str) -> None:
        from .net.http import HttpServer  # of the extra `web`

        admission = Admission(tell=settings.may_tell())
        door = Door(settings.title, _limits(settings), admission, intake)
        tls = None if settings.tls is None else server_tls(settings.tls, f"{where}.tls")
        server = HttpServer(door, make_application(settings, intake), tls)
        self._exits.push_async_callback(server.close)
        for listen in settings.sockets():
            await server.start(_open(listen, settings, where))


def _limits(settings: AnswerSettings | ListeningSettings, patience: float = 0.0) -> Limits:
    return Limits(
        settings.max_connections, settings.idle_timeout, settings.request_timeout, patience
    )


def _open(
    listen: Listen, settings: AnswerSettings | ListeningSettings, where: str
) -> socket.socket:
    try:
        return open_listener(listen, group=settings.group, mode=settings.mode)
    except ConfigError as error:
        raise ConfigError(str(error), f"{where}.listen") from error
