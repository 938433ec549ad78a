"""The HTTP server around an application: who may come, how many, how slowly, and rubbish."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from poplock.config.listen import Listen
from poplock.core.addresses import NetworkSet
from poplock.net.http import HttpServer
from poplock.net.listen import open_listener
from poplock.net.service import Admission, Door, Limits

LOOPBACK = NetworkSet((ip_network("127.0.0.0/8"),))
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HELLO = b"\r\n\r\nhello"

Visit = Callable[[HttpServer, str], Awaitable[None]]


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """The least application."""
    if scope["path"] == "/bug":
        raise RuntimeError("a bug")
    if scope["path"] == "/never":
        await asyncio.get_running_loop().create_future()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]}
    )
    await send({"type": "http.response.body", "body": b"hello"})


def served(
    visit: Visit,
    path: Path,
    limits: Limits | None = None,
    peers: NetworkSet = LOOPBACK,
) -> None:
    """Run `visit` against a server on a TCP and a unix socket; the port is what it is given."""

    async def run() -> None:
        door = Door("web", limits or Limits(), Admission(tell=peers))
        server = HttpServer(door, hello)
        unix = open_listener(Listen("unix", str(path / "sock")), group=None, mode="0600")
        sock = open_listener(Listen("inet", host="127.0.0.1"), group=None, mode="0600")
        await server.start(unix)
        await server.start(sock)
        try:
            async with asyncio.timeout(20):
                await visit(server, str(sock.getsockname()[1]))
        finally:
            await server.close()
        assert not (path / "sock").exists()

    asyncio.run(run())


async def said(port: str, data: bytes, **more: Any) -> bytes:
    """Everything that the server says to this until it closes, or for the first answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port), **more)
    writer.write(data)
    heard = b""
    with suppress(ConnectionResetError):
        while piece := await reader.read(4096):
            heard += piece
            if heard.endswith(HELLO):
                break
    writer.close()
    return heard


async def empty(server: HttpServer) -> None:
    """Until it has noticed that nobody is there any more."""
    while server.connections:  # noqa: ASYNC110 - there is nothing to wait for but this
        await asyncio.sleep(0.001)


def test_requests_one_after_another_on_tcp_and_unix_sockets(tmp_path: Path) -> None:
    async def visit(server: HttpServer, port: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        for _ in range(3):
            writer.write(GET)
            answer = await reader.readuntil(HELLO)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
            assert b"server:" not in answer
        writer.write(GET * 2)  # pipelined
        await reader.readuntil(HELLO)
        await reader.readuntil(HELLO)
        assert server.connections == 1
        writer.close()
        reader, writer = await asyncio.open_unix_connection(tmp_path / "sock")
        writer.write(GET)
        await reader.readuntil(HELLO)
        writer.close()
        assert server.door.refused == 0

    served(visit, tmp_path)


def test_an_unlisted_peer_is_told_so_and_a_unix_socket_needs_no_list(tmp_path: Path) -> None:
    async def visit(server: HttpServer, port: str) -> None:
        heard = await said(port, b"")
        assert heard.startswith(b"HTTP/1.1 403 Forbidden\r\n")
        assert b"not among the peers" in heard
        assert server.door.refused == 1
        reader, writer = await asyncio.open_unix_connection(tmp_path / "sock")
        writer.write(GET)
        await reader.readuntil(HELLO)
        writer.close()

    served(visit, tmp_path, peers=NetworkSet())


def test_more_connections_than_allowed_are_turned_away(tmp_path: Path) -> None:
    async def visit(server: HttpServer, port: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        writer.write(GET)
        await reader.readuntil(HELLO)
        assert (await said(port, b"")).startswith(b"HTTP/1.1 503 ")
        writer.close()
        await empty(server)
        assert (await said(port, GET)).endswith(HELLO)

    served(visit, tmp_path, Limits(connections=1))


@pytest.mark.parametrize(
    "start",
    [
        b"G",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc",
        b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["method", "header", "body", "answer"],
)
def test_a_request_without_an_end_is_closed(tmp_path: Path, start: bytes) -> None:
    async def visit(server: HttpServer, port: str) -> None:
        heard = await said(port, start)
        assert heard == b"" or heard.endswith(HELLO)  # an answer may come before the whole body
        await empty(server)
        assert server.door.refused == (0 if heard else 1)

    served(visit, tmp_path, Limits(request=0.05))


def test_a_slow_second_request_is_closed_as_well(tmp_path: Path) -> None:
    async def visit(server: HttpServer, port: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        writer.write(GET)
        await reader.readuntil(HELLO)
        writer.write(b"GET / HT")
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        assert server.door.refused == 1
        writer.close()

    served(visit, tmp_path, Limits(request=0.05))


def test_a_silent_connection_is_closed_and_that_is_no_fault(tmp_path: Path) -> None:
    async def visit(server: HttpServer, port: str) -> None:
        assert await said(port, b"") == b""
        assert server.door.refused == 0

    served(visit, tmp_path, Limits(idle=0.05))


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000,
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["tls", "long", "length", "smuggled", "no-host", "byte"],
)
def test_rubbish_is_a_400_that_is_counted_and_others_do_not_notice(
    tmp_path: Path, rubbish: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def visit(server: HttpServer, port: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        writer.write(GET)
        await reader.readuntil(HELLO)
        for _ in range(3):
            heard = await said(port, rubbish)
            assert heard.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 200 "))  # smuggled: both
        assert server.door.refused == 3
        writer.write(GET)
        await reader.readuntil(HELLO)
        writer.close()

    served(visit, tmp_path)
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1


def test_a_bug_is_no_traceback_for_the_peer(tmp_path: Path) -> None:
    async def visit(server: HttpServer, port: str) -> None:
        heard = await said(port, GET.replace(b"/ ", b"/bug ", 1))
        assert heard.startswith(b"HTTP/1.1 500 ")
        assert b"RuntimeError" not in heard and b"Traceback" not in heard

    served(visit, tmp_path)
