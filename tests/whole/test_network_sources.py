"""A daemon that hears of logins over WHOSON, DRAC and RADIUS, and peers of all kinds."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import packets
from tests.daemon import Poplock
from tests.packets import ADDRESS, ANN, ON, START, STOP, XID, accounting, status

CLIENT = "203.0.113.9"
IPV4 = bytes((203, 0, 113, 9))
SECRETS = "127.0.0.0/8 xyzzy\n# a comment\n192.0.2.0/24 another one\n"


def free_port() -> int:
    """A port that is free for TCP and for UDP."""
    while True:
        with (
            socket.create_server(("127.0.0.1", 0)) as tcp,
            socket.socket(type=socket.SOCK_DGRAM) as udp,
        ):
            port = int(tcp.getsockname()[1])
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class World:
    """One daemon with the three sources on loopback and on unix sockets."""

    def __init__(self, folder: Path, whoson: str = "", drac: str = "", more: str = "") -> None:
        self.folder = folder
        self.whoson, self.drac, self.radius = free_port(), free_port(), free_port()
        clients = folder / "radius-clients"
        clients.write_text(SECRETS)
        clients.chmod(0o640)
        self.poplock = Poplock(
            folder,
            f"""{more}
[[source]]
type = "whoson"
listen = ["udp:127.0.0.1:{self.whoson}", "inet:127.0.0.1:{self.whoson}",
    "unix:{folder}/whoson", "unixgram:{folder}/whosond"]
{whoson}
[[source]]
type = "drac"
listen = ["udp:127.0.0.1:{self.drac}", "inet:127.0.0.1:{self.drac}"]
portmapper = false
{drac}
[[source]]
type = "radius"
listen = ["udp:127.0.0.1:{self.radius}"]
clients_file = "{clients}"
[[answer]]
type = "whoson"
listen = "unix:{folder}/asking"
patience = 0
""",
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """The daemon, from when every socket is there."""
        with self.poplock:
            ready = "is ready:"
            self.poplock.until(lambda: ready in self.poplock.log.read_text(), ready)
            yield

    def permits(self, client: str = CLIENT) -> bool:
        return self.poplock.answer(client) == "permit"

    def users(self) -> list[str]:
        return [row["user"] for row in self.poplock.grants()]

    def refused(self, source: str) -> int:
        """How many faults of peers the source has counted."""
        rows = self.poplock.status()["sources"]
        return int(next(row["refused"] for row in rows if row["source"] == source))

    def ask(self, kind: str, request: bytes) -> bytes:
        """A WHOSON request over one kind of socket, and the reply."""
        with self.connect(kind) as sock:
            sock.send(request)
            return sock.recv(2000)

    @contextmanager
    def connect(self, kind: str) -> Iterator[socket.socket]:
        datagram = kind in ("udp", "unixgram")
        family = socket.AF_UNIX if kind.startswith("unix") else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM if datagram else socket.SOCK_STREAM) as sock:
            sock.settimeout(20)
            if kind == "unixgram":
                mine = self.folder / "client"
                mine.unlink(missing_ok=True)
                sock.bind(str(mine))  # or it could not be answered
            paths = {"unix": f"{self.folder}/whoson", "unixgram": f"{self.folder}/whosond"}
            sock.connect(paths.get(kind) or ("127.0.0.1", self.whoson))
            yield sock

    def call(self, message: bytes) -> tuple[int, ...]:
        """A call of DRAC over UDP; the words of the reply."""
        return words(datagram(self.drac, message))

    def account(self, request: bytes) -> None:
        """A RADIUS request that is answered."""
        assert packets.response_is_right(datagram(self.radius, request), request)


def datagram(port: int, *messages: bytes) -> bytes:
    """Send datagrams; the one reply that comes."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(20)
        sock.connect(("127.0.0.1", port))
        for message in messages:
            sock.send(message)
        return sock.recv(5000)


def words(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(data) // 4}I", data)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    with made.running():
        yield made


@pytest.mark.parametrize("kind", ["udp", "inet", "unix", "unixgram"])
def test_whoson_grants_answers_and_takes_back_on_every_socket(world: World, kind: str) -> None:
    assert world.ask(kind, b"QUERY 203.0.113.9\r\n\r\n") == b"-Not Logged in\r\n\r\n"
    assert world.ask(kind, b"LOGIN 203.0.113.9 ann\r\n\r\n") == b"+LOGIN OK\r\n\r\n"
    assert world.permits()
    assert world.ask(kind, b"QUERY 203.0.113.9\n\n") == b"+ann\r\n\r\n"
    assert world.ask(kind, b"LOGIN 203.0.113.9\n\n") == b"+LOGIN OK\r\n\r\n"
    assert world.users() == ["ann", "unnamed"]
    assert world.ask(kind, b"LOGOUT 203.0.113.9\n\n") == b"+LOGOUT OK\r\n\r\n"
    assert not world.permits()
    assert world.users() == []


def test_logout_ends_what_this_source_told_and_nothing_else(world: World) -> None:
    world.poplock.give(CLIENT, "bob")
    world.ask("udp", b"LOGIN 203.0.113.9 ann")
    world.ask("udp", b"LOGOUT 203.0.113.9")
    assert world.users() == ["bob"]


def test_quit_ends_a_conversation_after_all_its_replies(world: World) -> None:
    with world.connect("inet") as sock:
        sock.sendall(b"LOGIN 203.0.113.9 ann\n\nQUERY 203.0.113.9\n\nNOOP\n\nQUIT\n\nQUERY ::1\n\n")
        said = sock.makefile("rb").read()
    wrong = b"*no such request; there are LOGIN, LOGOUT, QUERY and QUIT\r\n\r\n"
    assert said == b"+LOGIN OK\r\n\r\n+ann\r\n\r\n" + wrong + b"+QUIT OK\r\n\r\n"


def test_who_may_ask_may_not_tell_and_the_other_way_round(tmp_path: Path) -> None:
    asks = World(tmp_path, whoson="peers = ['192.0.2.1/32']")
    with asks.running():
        for kind in ("udp", "inet"):
            assert asks.ask(kind, b"LOGIN 203.0.113.9 ann\n\n") == b"*permission denied\r\n\r\n"
            assert asks.ask(kind, b"QUERY 203.0.113.9\n\n") == b"-Not Logged in\r\n\r\n"
        assert asks.refused("whoson") == 2
        assert asks.users() == []
        assert asks.poplock.log.read_text().count("it may not tell of logins") == 1


def test_the_answer_of_the_same_name_only_answers(world: World) -> None:
    world.ask("udp", b"LOGIN 203.0.113.9 ann")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(f"{world.folder}/asking")
        sock.sendall(b"QUERY 203.0.113.9\n\nLOGOUT 203.0.113.9\n\nQUIT\n\n")
        said = sock.makefile("rb").read()
    assert said == b"+ann\r\n\r\n*permission denied\r\n\r\n+QUIT OK\r\n\r\n"
    assert world.permits()


def test_drac_grants_over_udp_and_over_a_connection(world: World) -> None:
    assert world.call(packets.call(IPV4))[-2:] == (0, 0)
    assert world.permits()
    assert world.users() == ["unnamed"]
    ipv6 = packets.chars(bytes.fromhex("20010db800010002") + bytes(8))
    with socket.create_connection(("127.0.0.1", world.drac), 20) as sock:
        null = packets.call(b"", procedure=0, version=2)
        sock.sendall(packets.marked(null) + packets.marked(packets.call(ipv6, version=2)))
        reply = words(sock.recv(28, socket.MSG_WAITALL) + sock.recv(32, socket.MSG_WAITALL))
    assert reply == (0x80000018, XID, 1, 0, 0, 0, 0, 0x8000001C, XID, 1, 0, 0, 0, 0, 0)
    assert world.permits("2001:db8:1:2::7")


def test_a_caller_that_is_not_listed_is_told_so_and_grants_nothing(tmp_path: Path) -> None:
    allow = tmp_path / "dracd.allow"
    allow.write_text("# netmask address\n255.255.255.0 192.0.2.0\n")
    stranger = World(tmp_path, drac=f"peers = []\nallow_file = '{allow}'")
    with stranger.running():
        assert stranger.call(packets.call(IPV4))[-2:] == (0, 1)
        assert stranger.call(packets.call(b"", procedure=0))[-1] == 0
        assert stranger.call(packets.call(IPV4, program=100003))[-1] == 1
        assert (stranger.refused("drac"), stranger.users()) == (2, [])


def test_radius_start_grants_and_stop_ends_it_at_once(world: World) -> None:
    world.account(accounting(status(START), *ANN, ADDRESS))
    assert world.permits()
    (grant,) = world.poplock.grants()
    assert (grant["user"], grant["source"], grant["sessions"]) == ("ann@example.org", "radius", 1)
    stop = accounting(status(STOP), *ANN, identifier=8)
    world.account(stop)
    assert not world.permits()
    world.account(accounting(status(START), *ANN, ADDRESS))  # the very same datagram, again
    assert not world.permits()
    assert world.refused("radius") == 0


def test_a_server_that_starts_anew_takes_its_sessions_with_it(world: World) -> None:
    world.account(accounting(status(START), *ANN, ADDRESS))
    other = (packets.NAS_IP, bytes((192, 0, 2, 99)))
    world.account(accounting(status(ON), other))
    assert world.permits()
    world.account(accounting(status(ON), ANN[2]))
    assert not world.permits()


def test_a_wrong_secret_and_broken_datagrams_are_met_with_silence_and_counted(
    world: World,
) -> None:
    good = accounting(status(START), *ANN, ADDRESS)
    wrong = accounting(status(START), *ANN, ADDRESS, secret=b"plugh", identifier=9)
    reply = datagram(world.radius, wrong, good[:-3], good[:10], good + bytes(5000), b"\0", good)
    assert packets.response_is_right(reply, good), "only the last one is answered"
    assert world.refused("radius") == 5
    assert world.poplock.log.read_text().count("radius: refused") == 1, "said once a minute"


def test_broken_datagrams_to_the_others_are_counted_too(world: World) -> None:
    long = b"LOGIN 203.0.113.9 " + b"x" * 5000
    assert datagram(world.whoson, long).startswith(b"*a datagram of more than 1472")
    assert world.refused("whoson") == 1
    good = packets.call(IPV4)
    assert words(datagram(world.drac, good[:20], good + bytes(2000), good))[-1] == 0
    assert world.refused("drac") == 2


def test_what_cannot_be_kept_is_said_in_each_protocols_way(world: World) -> None:
    store = world.folder / "poplock.db"
    store.rename(store.with_suffix(".away"))
    unavailable = b"*unavailable, try again later\r\n\r\n"
    assert world.ask("udp", b"LOGIN 203.0.113.9 ann") == unavailable
    assert world.ask("inet", b"LOGIN 203.0.113.9 ann\n\n") == unavailable
    assert world.ask("udp", b"QUERY 203.0.113.9") == unavailable
    assert world.call(packets.call(IPV4))[-2:] == (0, 2)
    start = accounting(status(START), *ANN, ADDRESS)
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", world.radius))
        sock.send(start)
        # What waits for the disk fails together: this is said when RADIUS has been silent.
        assert world.ask("udp", b"LOGIN 203.0.113.9 ann") == unavailable
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(100)
    store.with_suffix(".away").rename(store)
    world.poplock.until(lambda: world.poplock.answer(CLIENT) != "unavailable", "again")
    world.account(start)  # sent again, as access servers do
    assert world.ask("udp", b"LOGIN 203.0.113.9 ann") == b"+LOGIN OK\r\n\r\n"


def test_radius_logins_count_whatever_services_the_policy_knows(tmp_path: Path) -> None:
    world = World(tmp_path, more="[policy]\nservices = ['imap']\n")
    with world.running():
        world.account(accounting(status(START), *ANN, ADDRESS))
        assert world.permits()


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        ("127.0.0.0/8\n", 0o600, "radius-clients:1: write a network and the secret"),
        ("\n127.0.0.1/8 x\n", 0o600, "radius-clients:2: 127.0.0.1/8 has host bits set"),
        ("127.0.0.0/8 x\n127.0.0.0/8 y\n", 0o600, "127.0.0.0/8 has two secrets"),
        ("# nobody\n", 0o600, "no client"),
        ("127.0.0.0/8 x\n", 0o644, "everybody may read the secrets"),
    ],
)
def test_wrong_radius_clients_stop_the_start(
    tmp_path: Path, text: str, mode: int, says: str
) -> None:
    world = World(tmp_path)
    clients = tmp_path / "radius-clients"
    clients.write_text(text)
    clients.chmod(mode)
    ended = world.poplock.run("run")
    assert ended.returncode == 78
    assert says in ended.stderr
    assert "poplock.toml:" in ended.stderr and ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("255.255.255.0\n", "dracd.allow:1: write a netmask and an address"),
        ("# ok\n255.0.255.0 192.0.2.0\n", "dracd.allow:2: 255.0.255.0 is no netmask"),
        ("255.255.255.0 192.0.2.1\n", "dracd.allow:1: 192.0.2.1/24 has host bits set"),
        ("255.255.255.0 here\n", "dracd.allow:1: "),
    ],
)
def test_a_wrong_allow_file_stops_the_start(tmp_path: Path, text: str, says: str) -> None:
    allow = tmp_path / "dracd.allow"
    allow.write_text(text)
    ended = World(tmp_path, drac=f"allow_file = '{allow}'").poplock.run("run")
    assert (ended.returncode, says in ended.stderr) == (78, True), ended.stderr
