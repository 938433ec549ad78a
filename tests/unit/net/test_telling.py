"""Peers that tell of logins: acknowledged when kept, refused when not listed, on every socket."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import ClassVar

import pytest

from poplock.authorizer import Authorizer
from poplock.core.addresses import IPAddress, Network, NetworkSet
from poplock.core.answers import Outcome, Permit, Query, Refused, Unavailable
from poplock.core.clock import FakeClock
from poplock.core.dialogue import Dialogue, Request
from poplock.core.errors import StoreError, WireError
from poplock.core.events import NOW, Login
from poplock.net.datagram import DatagramServer
from poplock.net.service import Admission, Limits, MakeDialogue, Service
from poplock.net.stream import StreamServer
from tests.conftest import make_intake

LOOPBACK = NetworkSet((ip_network("127.0.0.0/8"),))
NOBODY = NetworkSet()


class Lines(Dialogue):
    """A protocol for these tests: `+IP` tells of a login, `?IP` asks, `.` says good-bye.

    `!` is wrong, and told so in the protocol's own words.
    """

    refuses = True

    def __init__(self, peer: IPAddress | None = None, datagram: bool = False) -> None:
        self.buffer = b""

    def receive_data(self, data: bytes) -> Sequence[Request]:
        self.buffer += data
        *lines, self.buffer = self.buffer.split(b"\n")
        self.at_rest = not self.buffer
        return [
            self.read(line.decode()) for line in lines if line not in (b".", b"!") or self.own(line)
        ]

    def own(self, line: bytes) -> bool:
        """What needs nobody else to be answered."""
        if line == b"!":
            self.said += b"wrong\n"
            self._refuse("it said !")
        self.closing = line == b"."
        return False

    def read(self, line: str) -> Request:
        if line[:1] == "?":
            return Query(line[1:])
        if line[:1] != "+":
            raise WireError("neither + nor ?")
        return Login(NOW, ip_address(line[1:]), "ann", "imap")

    def reply(self, request: Request, outcome: Outcome) -> None:
        match outcome:
            case None:
                self.said += b"kept\n"
            case Permit():
                self.said += b"yes\n"
            case Refused():
                self.said += b"refused\n"
            case Unavailable():
                self.said += b"later\n"
            case _:
                self.said += b"no\n"


class Mute(Lines):
    """The same, without a word in return for an event or for a stranger."""

    acknowledges = False
    refuses = False


class World:
    """A service over an authorizer whose store can be broken and held up."""

    def __init__(self, dialogue: MakeDialogue = Lines, admission: Admission | None = None) -> None:
        self.clock = FakeClock()
        from poplock.core.policy import Policy, Rules

        self.authorizer = Authorizer(Policy(Rules()), self.clock)
        self.authorizer.trouble = None
        self.disk = asyncio.Event()
        self.disk.set()
        self.broken = False
        intake = make_intake(self.clock, kept=self.kept, authorizer=self.authorizer)
        both = Admission(ask=LOOPBACK, tell=LOOPBACK)
        self.service = Service(
            "test", dialogue, self.authorizer, Limits(), admission or both, intake
        )

    async def kept(self) -> None:
        await self.disk.wait()
        if self.broken:
            raise StoreError("disk full")


async def over_tcp(world: World, data: bytes) -> bytes:
    """Send all, say that this was all, and read to the end."""
    server = StreamServer(world.service)
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    await server.start(sock)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), 5)
    except OSError:
        return b""
    finally:
        await server.close()


async def over_udp(world: World, data: bytes) -> bytes:
    """Send one datagram, and read the reply."""
    async with udp_client(world) as client:
        client.send(data)
        return await received(client)


@asynccontextmanager
async def udp_client(world: World) -> AsyncIterator[socket.socket]:
    """A socket that is connected to a server."""
    server = DatagramServer(world.service)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    await server.start(sock)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(sock.getsockname())
            client.setblocking(False)
            yield client
    finally:
        await server.close()


async def received(client: socket.socket) -> bytes:
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 65_536), 5)


ways = pytest.mark.parametrize("way", [over_tcp, over_udp])


@ways
def test_a_login_is_acknowledged_and_permits_what_is_asked_behind_it(way) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        world = World()
        said = await way(world, b"?203.0.113.9\n+203.0.113.9\n+203.0.113.8\n?203.0.113.9\n")
        assert said == b"no\nkept\nkept\nyes\n"
        (grant, _) = world.authorizer.table
        assert (grant.last_login, grant.source) == (world.clock.now(), "log")
        assert world.service.intake is not None
        assert world.service.intake.health.last_login == world.clock.wall()

    asyncio.run(main())


@ways
def test_no_acknowledgement_before_the_login_is_on_disk(way) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        world = World()
        world.disk.clear()
        asking = asyncio.create_task(way(world, b"+203.0.113.9\n"))
        while not world.authorizer.counts.logins:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert not asking.done()
        world.disk.set()
        assert await asking == b"kept\n"

    asyncio.run(main())


@ways
def test_a_store_that_fails_is_told(way) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        world = World()
        world.broken = True
        assert await way(world, b"+203.0.113.9\n") == b"later\n"

    asyncio.run(main())


@ways
def test_who_may_ask_may_not_thereby_tell(way, caplog: pytest.LogCaptureFixture) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        world = World(admission=Admission(ask=LOOPBACK, tell=NOBODY))
        said = await way(world, b"+203.0.113.9\n?203.0.113.9\n+203.0.113.9\n")
        assert said == b"refused\nno\nrefused\n"
        assert world.service.refused == 2
        stranger = World(admission=Admission(ask=NOBODY, tell=LOOPBACK))
        assert await way(stranger, b"+203.0.113.9\n?203.0.113.9\n") == b"kept\nrefused\n"

    asyncio.run(main())
    assert len([r for r in caplog.records if "may not tell" in r.message]) == 1


@ways
def test_what_the_protocol_refuses_in_its_own_words_is_counted(way) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        world = World()
        assert await way(world, b"!\n+203.0.113.9\n") == b"wrong\nkept\n"
        assert await way(world, b"!\n") == b"wrong\n"
        assert world.service.refused == 2

    asyncio.run(main())


def test_a_request_that_the_dialogue_answers_by_itself_is_whole_and_answered_at_once() -> None:
    async def main() -> None:
        world = World()
        server = StreamServer(world.service)
        sock = socket.create_server(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        await server.start(sock)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"+203")
        await writer.drain()
        while not any(c.partial for c in server.connections):  # noqa: ASYNC110
            await asyncio.sleep(0)
        writer.write(b".0.113.9\n")
        assert await asyncio.wait_for(reader.readline(), 5) == b"kept\n"
        writer.write(b"!")
        while not any(c.partial for c in server.connections):  # noqa: ASYNC110
            await asyncio.sleep(0)
        writer.write(b"\n")
        assert await asyncio.wait_for(reader.readline(), 5) == b"wrong\n"
        assert not any(c.partial for c in server.connections)
        writer.close()
        await server.close()

    asyncio.run(main())


def test_a_stranger_whom_the_protocol_cannot_refuse_is_closed_unheard() -> None:
    async def main() -> None:
        world = World(Mute, Admission(ask=NOBODY, tell=NOBODY))
        assert await over_tcp(world, b"+203.0.113.9\n") == b""
        assert world.service.refused == 1
        assert world.authorizer.table.count == 0

    asyncio.run(main())


def test_nobody_waits_for_the_disk_where_nothing_is_acknowledged() -> None:
    async def main() -> None:
        world = World(Mute)
        world.disk.clear()
        assert await over_tcp(world, b"+203.0.113.9\n?203.0.113.9\n") == b"yes\n"

    asyncio.run(main())


def test_good_bye_ends_the_connection_after_all_replies() -> None:
    async def main() -> None:
        world = World()
        server = StreamServer(world.service)
        sock = socket.create_server(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        await server.start(sock)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"+203.0.113.9\n.\n")
        assert await asyncio.wait_for(reader.read(), 5) == b"kept\n"
        writer.close()
        await server.close()

    asyncio.run(main())


def test_a_wrong_datagram_is_counted_and_the_next_one_is_taken() -> None:
    async def main() -> None:
        world = World()
        async with udp_client(world) as client:
            for data in (b"garbage\n", b"", b"\0" * 60_000, b"+203.0.113.9\n"):
                client.send(data)
            assert await received(client) == b"kept\n"
        assert world.service.refused == 1

    asyncio.run(main())


class Talkative(Mute):
    """The same, with a peer that also says what is no request: lines that begin with #."""

    def receive_data(self, data: bytes) -> Sequence[Request]:
        self.buffer += data
        *lines, self.buffer = self.buffer.split(b"\n")
        self.at_rest = not self.buffer
        return [self.read(line.decode()) for line in lines if line[:1] != b"#"]


@pytest.mark.parametrize(("said", "refused"), [(b"# whole\n", 0), (b"# cut", 1)])
def test_whole_messages_that_are_no_request_are_not_a_slow_request(
    said: bytes, refused: int
) -> None:
    async def story() -> int:
        world = World(Talkative)
        world.service.limits = Limits(request=-1.0)  # over as soon as it has begun
        server = StreamServer(world.service)
        sock = socket.create_server(("127.0.0.1", 0))
        await server.start(sock)
        _, writer = await asyncio.open_connection("127.0.0.1", sock.getsockname()[1])
        writer.write(b"+203.0.113.9\n")
        while not world.authorizer.counts.logins:  # noqa: ASYNC110
            await asyncio.sleep(0)
        writer.write(said)
        (connection,) = server.connections
        connection.active = False
        while not connection.active:  # noqa: ASYNC110
            await asyncio.sleep(0)
        server.sweep()
        writer.close()
        await server.close()
        return world.service.refused

    assert asyncio.run(story()) == refused


class Noting(Mute):
    """The same; it notes in which turn of the event loop how many bytes came."""

    turn = 0
    heard: ClassVar[Counter[int]] = Counter()

    def receive_data(self, data: bytes) -> Sequence[Request]:
        self.heard[Noting.turn] += len(data)
        return ()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_peer_with_much_to_say_leaves_the_others_their_turns(loop: str) -> None:
    Noting.heard.clear()

    async def story() -> None:
        server = StreamServer(World(Noting).service)
        sock = socket.create_server(("127.0.0.1", 0))
        sock.setblocking(False)
        await server.start(sock)

        def next_turn() -> None:
            Noting.turn += 1
            asyncio.get_running_loop().call_soon(next_turn)

        next_turn()
        sender = threading.Thread(target=send, args=(sock.getsockname(),))
        sender.start()
        while Noting.heard.total() < 1_000_000:  # noqa: ASYNC110
            await asyncio.sleep(0)
        sender.join()
        await server.close()

    def send(address: tuple[str, int]) -> None:
        with socket.create_connection(address) as peer:
            peer.sendall(b"x" * 1_000_000)

    factory = pytest.importorskip("uvloop").new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(story())
    assert max(Noting.heard.values()) <= 8192


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_burst_of_datagrams_leaves_the_others_their_turns(loop: str) -> None:
    Noting.heard.clear()

    async def story() -> None:
        server = DatagramServer(World(Noting).service)
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for _ in range(100):
                client.sendto(b"x", sock.getsockname())
        await server.start(sock)
        while Noting.heard.total() < 100:
            Noting.turn += 1
            await asyncio.sleep(0)
        await server.close()

    factory = pytest.importorskip("uvloop").new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(story())
    assert max(Noting.heard.values()) <= 32


class Lasting(Lines):
    """The same, as new after each datagram; counted when it is made."""

    lasts = True
    made = 0

    def __init__(self, peer: IPAddress | None = None, datagram: bool = False) -> None:
        Lasting.made += 1
        super().__init__(peer, datagram)


async def each_answered(world: World, datagrams: Sequence[bytes]) -> list[bytes]:
    """The replies of one server to as many datagrams, sent at once."""
    async with udp_client(world) as client:
        for data in datagrams:
            client.send(data)
        return [await received(client) for _ in datagrams]


@pytest.mark.parametrize(
    ("datagrams", "made"),
    [
        ([b"?203.0.113.9\n"] * 3, 1),
        ([b"?203.0.113.9\n", b"!\n", b"?203.0.113.9\n"], 1),
        ([b"?203.0.113.9\n.\n", b"?203.0.113.9\n"], 2),  # it has said good-bye
        ([b"+203.0.113.9\n", b"?203.0.113.8\n"], 2),  # it waits for the disk
    ],
)
def test_a_dialogue_that_lasts_serves_until_it_waits_or_ends(
    datagrams: list[bytes], made: int
) -> None:
    Lasting.made = 0
    asyncio.run(each_answered(World(Lasting), datagrams))
    assert Lasting.made == made


def test_a_dialogue_is_not_used_again_after_what_was_wrong_for_it() -> None:
    async def story() -> None:
        world = World(Lasting)
        async with udp_client(world) as client:
            client.send(b"?203.0.113.9\ngarbage\n?203.0.113.8")  # the rest would stay in it
            client.send(b"?203.0.113.9\n")
            assert await received(client) == b"no\n"
        assert world.service.refused == 1

    Lasting.made = 0
    asyncio.run(story())
    assert Lasting.made == 2


def test_a_datagram_that_waits_holds_up_no_other_of_its_sender() -> None:
    async def story() -> None:
        world = World(Lasting)
        world.disk.clear()
        asking = asyncio.create_task(each_answered(world, [b"+203.0.113.9\n", b"?203.0.113.9\n"]))
        while not world.authorizer.counts.permits:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert not asking.done()
        world.disk.set()
        assert await asking == [b"yes\n", b"kept\n"]

    asyncio.run(story())


@pytest.mark.parametrize("made", [Lines, Lasting])
def test_who_logs_in_while_his_datagram_waits_is_permitted_and_counted_once(
    made: MakeDialogue,
) -> None:
    async def story() -> None:
        world = World(made)
        world.service.limits = Limits(patience=60)
        asking = asyncio.create_task(over_udp(world, b"?203.0.113.9\n"))
        network = Network("203.0.113.9/32")
        while not world.authorizer.expects(network):  # noqa: ASYNC110
            await asyncio.sleep(0)
        world.authorizer.record(
            [Login(NOW, ip_address("203.0.113.9"), "ann", "imap", source="log")]
        )
        assert await asking == b"yes\n"
        counts = world.authorizer.counts
        assert (counts.permits, counts.no_opinions, counts.unavailable) == (1, 0, 0)

    asyncio.run(story())


def test_a_datagram_that_is_too_long_is_seen_to_be(tmp_path: Path) -> None:
    Noting.heard.clear()

    async def story() -> None:
        server = DatagramServer(World(Noting).service)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind(str(tmp_path / "socket"))
        sock.setblocking(False)
        await server.start(sock)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.sendto(b"x" * 100_000, str(tmp_path / "socket"))
        while not Noting.heard.total():  # noqa: ASYNC110
            await asyncio.sleep(0)
        await server.close()

    asyncio.run(story())
    assert Noting.heard.total() == 65_537  # more than any protocol takes
