"""TLS on a listener that wants certificates: who comes in, and what becomes of the others.

With both event loops: the daemon runs on uvloop, where that can be had.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Coroutine
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from poplock.authorizer import Authorizer
from poplock.config.listen import LOOPBACK, Tls, networks
from poplock.core.addresses import NetworkSet
from poplock.core.errors import ConfigError
from poplock.core.events import NOW, Event, Login
from poplock.net.service import Admission, Limits, Service
from poplock.net.stream import StreamServer
from poplock.net.tls import ServerTls, server_tls
from tests.conftest import make_intake

FILES = Path(__file__).parent.parent.parent / "samples" / "tls"
NOBODY = NetworkSet()
PEERS = networks("peers", LOOPBACK)


def file(name: str) -> str:
    return str(FILES / name)


def tls(client_ca: str | None = "ca.pem", names: tuple[str, ...] = ()) -> ServerTls:
    ca = client_ca and file(client_ca)
    return server_tls(
        Tls(
            certificate=file("server.pem"),
            key=file("server.key"),
            client_ca=ca,
            client_names=names,
        ),
        "source[0].tls",
    )


def client(certificate: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=file("ca.pem"))
    if certificate is not None:
        context.load_cert_chain(file(f"{certificate}.pem"), file(f"{certificate}.key"))
    return context


class World:
    """A listener over TLS on a free port, and what it heard."""

    def __init__(self, authorizer: Authorizer, loop: str) -> None:
        self.loop = loop
        self.seen: list[Event] = []
        from tests.unit.net.test_telling import Mute

        intake = make_intake(authorizer.clock, self.seen, authorizer=authorizer)
        admission = Admission(ask=NOBODY, tell=PEERS)
        self.service = Service("test", Mute, authorizer, Limits(), admission, intake)

    def tell(self, secured: ServerTls, context: ssl.SSLContext | None) -> None:
        """Connect, say that ann has logged in, and wait for the connection's end."""

        async def story() -> None:
            server = StreamServer(self.service)
            sock = socket.create_server(("127.0.0.1", 0))
            await server.start(sock, secured)
            host, port = sock.getsockname()
            try:
                async with asyncio.timeout(20):
                    reader, writer = await asyncio.open_connection(host, port, ssl=context)
                    writer.write(b"+203.0.113.9\n")
                    if context is not None:
                        await writer.drain()
                    while not self.seen and not self.service.refused:  # noqa: ASYNC110
                        await asyncio.sleep(0)
                    writer.close()
                    await reader.read()
            except (ConnectionError, ssl.SSLError):
                while not self.service.refused:  # noqa: ASYNC110
                    await asyncio.sleep(0)
            finally:
                await server.close()

        run(self.loop, story())


def run(loop: str, story: Coroutine[None, None, bytes | None]) -> bytes | None:
    if loop == "asyncio":
        return asyncio.run(story)
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(story)


@pytest.fixture(params=["asyncio", "uvloop"])
def world(request: pytest.FixtureRequest, authorizer: Authorizer) -> World:
    return World(authorizer, request.param)


@pytest.mark.parametrize("names", [(), ("MX.example.org", "other")])
@pytest.mark.parametrize("certificate", ["client", "common"])
def test_whom_the_authority_vouches_for_is_heard(
    world: World, certificate: str, names: tuple[str, ...]
) -> None:
    world.tell(tls(names=names), client(certificate))
    assert world.seen == [Login(NOW, ip_address("203.0.113.9"), "ann", "imap", source="log")]
    assert world.service.refused == 0


def test_without_an_authority_nobody_needs_a_certificate(world: World) -> None:
    world.tell(tls(client_ca=None), client(None))
    assert len(world.seen) == 1


@pytest.mark.parametrize(
    ("certificate", "names", "why"),
    [
        (None, (), "PEER_DID_NOT_RETURN_A_CERTIFICATE"),
        ("stranger", (), "CERTIFICATE_VERIFY_FAILED"),
        ("client", ("nobody",), "names nobody who may come"),  # its DNS name counts
        ("common", ("example.org",), "names nobody who may come"),
    ],
)
def test_others_are_closed_counted_and_named_in_the_log(
    world: World,
    certificate: str | None,
    names: tuple[str, ...],
    why: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    world.tell(tls(names=names), client(certificate))
    assert world.seen == []
    assert world.service.refused == 1
    (said,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert said.startswith("test: refused 127.0.0.1: ")
    assert why in said


def test_plain_text_is_no_handshake(world: World) -> None:
    world.tell(tls(), None)
    assert (world.seen, world.service.refused) == ([], 1)


def test_a_stranger_gets_no_handshake(world: World) -> None:
    world.service.admission = Admission(tell=NetworkSet((ip_network("192.0.2.0/24"),)), ask=NOBODY)
    world.tell(tls(), client("client"))
    assert (world.seen, world.service.refused) == ([], 1)


def test_who_never_begins_the_handshake_is_closed_in_time(world: World) -> None:
    world.service.limits = Limits(request=0.05)

    async def story() -> bytes:
        server = StreamServer(world.service)
        sock = socket.create_server(("127.0.0.1", 0))
        await server.start(sock, tls())
        reader, writer = await asyncio.open_connection(*sock.getsockname())
        try:
            return await asyncio.wait_for(reader.read(), 20)
        except ConnectionError:
            return b""
        finally:
            writer.close()
            await server.close()

    assert run(world.loop, story()) == b""
    assert world.service.refused == 1


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"certificate": "/nowhere"}, "certificate"),
        ({"key": file("client.key")}, "certificate"),
        ({"client_ca": file("server.key")}, "client_ca"),
    ],
)
def test_a_file_that_is_not_right_is_named(more: dict[str, str], key: str) -> None:
    right = {"certificate": file("server.pem"), "key": file("server.key")}
    with pytest.raises(ConfigError) as error:
        server_tls(Tls(**{**right, **more}), "source[0].tls")
    assert error.value.where == f"source[0].tls.{key}"
