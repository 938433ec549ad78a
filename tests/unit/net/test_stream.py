"""Connections of the policy service: limits, timeouts, patience; others don't notice."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from poplock.answers.postfix_policy import PostfixPolicyDialogue
from poplock.authorizer import Authorizer
from poplock.core.clock import FakeClock
from poplock.net.service import Limits, Service
from poplock.net.stream import StreamServer
from tests.conftest import login

ASK = b"request=smtpd_access_policy\nclient_address=203.0.113.9\n\n"
LIMITS = Limits(connections=3, idle=600, request=10, patience=0)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def serving(
    authorizer: Authorizer, limits: Limits = LIMITS
) -> AsyncIterator[tuple[StreamServer, Callable[[], Awaitable[Streams]]]]:
    server = StreamServer(Service("test", lambda *_: PostfixPolicyDialogue(), authorizer, limits))
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    await server.start(sock)
    try:
        yield server, lambda: asyncio.open_connection("127.0.0.1", port)
    finally:
        await server.close()


async def ask(streams: Streams, data: bytes = ASK) -> bytes:
    streams[1].write(data)
    return await asyncio.wait_for(streams[0].readuntil(b"\n\n"), 5)


async def until(true: Callable[[], object]) -> None:
    """Let the server run until it holds."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110  the server has no event for it
            await asyncio.sleep(0)


async def closed(streams: Streams) -> bool:
    try:
        return await asyncio.wait_for(streams[0].read(), 5) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\n\r\n\n\n", b"\0" * 100_000, b"x" * 10_000_000, b"\n\n\n\n"]
)
def test_garbage_closes_its_connection_and_no_other(
    authorizer: Authorizer, caplog: pytest.LogCaptureFixture, garbage: bytes
) -> None:
    async def main() -> None:
        async with serving(authorizer) as (server, connect):
            good = await connect()
            for _ in range(2):
                bad = await connect()
                bad[1].write(garbage)
                assert await closed(bad)
                assert await ask(good) == b"action=DUNNO\n\n"
            assert server.service.refused == 2

    asyncio.run(main())
    assert len([r for r in caplog.records if "refused 127.0.0.1" in r.message]) == 1


def test_half_a_request_is_closed_after_its_time_and_a_silent_peer_after_idle(
    authorizer: Authorizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with serving(authorizer) as (server, connect):
            half, silent = await connect(), await connect()
            assert await ask(silent) == b"action=DUNNO\n\n"
            half[1].write(ASK[:20])
            await until(lambda: any(c.partial for c in server.connections))
            server.sweep()  # as each second
            loop = asyncio.get_running_loop()
            now = loop.time()
            monkeypatch.setattr(loop, "time", lambda: now + 11)
            server.sweep()
            assert await closed(half)
            assert len(server.connections) == 1
            monkeypatch.setattr(loop, "time", lambda: now + 601)
            server.sweep()
            assert await closed(silent)

    asyncio.run(main())


def test_one_connection_too_many_is_closed_at_once(authorizer: Authorizer) -> None:
    async def main() -> None:
        async with serving(authorizer) as (_, connect):
            three = [await connect() for _ in range(3)]
            for one in three:
                await ask(one)
            assert await closed(await connect())
            for one in three:
                assert await ask(one) == b"action=DUNNO\n\n"

    asyncio.run(main())


def test_a_login_that_comes_while_the_client_waits_permits_it(
    authorizer: Authorizer, clock: FakeClock
) -> None:
    async def main() -> None:
        async with serving(authorizer, Limits(9, 600, 10, patience=60)) as (_, connect):
            waiting, other = await connect(), await connect()
            waiting[1].write(ASK + ASK.replace(b"113.9", b"113.77x"))
            await until(lambda: authorizer._expected)
            # Names and never-networks don't wait, and the others are answered meanwhile.
            assert await ask(other, ASK.replace(b"203.0.113.9", b"a.name")) == b"action=DUNNO\n\n"
            authorizer.record([login(clock.wall(), ip="203.0.113.10")])
            assert authorizer._expected
            authorizer.record([login(clock.wall())])
            assert await waiting[0].readuntil(b"\n\n") == b"action=OK\n\n"
            assert await waiting[0].readuntil(b"\n\n") == b"action=DUNNO\n\n"
            assert not authorizer._expected
            assert (authorizer.counts.permits, authorizer.counts.no_opinions) == (1, 2)

    asyncio.run(main())


def test_who_does_not_log_in_is_told_so_after_the_patience(authorizer: Authorizer) -> None:
    async def main() -> None:
        async with serving(authorizer, Limits(9, 600, 10, patience=0.01)) as (_, connect):
            assert await ask(await connect()) == b"action=DUNNO\n\n"
            assert not authorizer._expected
            assert authorizer.counts.no_opinions == 1

    asyncio.run(main())


def test_a_client_that_goes_away_while_it_waits_leaves_nothing_behind(
    authorizer: Authorizer, clock: FakeClock
) -> None:
    async def main() -> None:
        async with serving(authorizer, Limits(9, 600, 10, patience=60)) as (server, connect):
            _, writer = await connect()
            writer.write(ASK)
            await until(lambda: authorizer._expected)
            for connection in list(server.connections):
                connection.close()
            await until(lambda: not server.connections)
            assert not authorizer._expected
            authorizer.record([login(clock.wall())])

    asyncio.run(main())


def test_trouble_is_deferred_without_waiting(authorizer: Authorizer) -> None:
    async def main() -> None:
        authorizer.trouble = "disk full"
        async with serving(authorizer, Limits(9, 600, 10, patience=60)) as (_, connect):
            assert (await ask(await connect())).startswith(b"action=DEFER_IF_REJECT ")

    asyncio.run(main())
