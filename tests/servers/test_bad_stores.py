"""A shared store that can't be used: at the start an error that names the setting, later
`unavailable` and a trouble in `status`, and never the end of the daemon."""

import asyncio
import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from poplock.authorizer import Authorizer
from poplock.config.shared import SharedSection
from poplock.core.clock import Mark, SystemClock
from poplock.core.policy import Policy, Rules
from poplock.shared import Hold, Shared
from poplock.stores import Batch
from poplock.stores.redis import RedisStore
from poplock.stores.sqlite import SqliteStore
from testbed.engines import FLAVOURS, Cluster, Server
from testbed.engines.server import TLS
from testbed.place import Place
from tests.daemon import Poplock

CLIENT, OTHER = "203.0.113.9", "203.0.113.10"
KEY = f"poplock:{{{CLIENT}/32}}"
NOWHERE = "127.0.0.1:1"  # nobody listens there


@pytest.fixture(params=FLAVOURS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server(request.param) as running:
        yield running


def host(folder: Path, node: str, more: str = "") -> Poplock:
    """A host that shares the store at `node`."""
    folder.mkdir(exist_ok=True)
    shared = f'[shared]\nnodes = ["{node}"]\nmax_staleness = "1s"\ntimeout = "3s"\n{more}'
    return Poplock(folder, f"[policy]\nnever_own = false\n{shared}")


def refused(folder: Path, node: str, more: str = "") -> str:
    """What the daemon says when it doesn't start."""
    ended = host(folder, node, more).run("run")
    assert ended.returncode == 78, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


def line_of(setting: str, said: str, folder: Path) -> None:
    """The error names the line that is to be looked at."""
    section, key = setting.rsplit(".", 1)
    lines = (folder / "poplock.toml").read_text().splitlines()
    numbers = [n for n, text in enumerate(lines, 1) if text.startswith((key, f"[{section}"))]
    numbers += [n for n, text in enumerate(lines, 1) if text.startswith(f"[{setting}]")]
    assert any(f"poplock.toml:{number}" in said for number in numbers), said


def secret_of(folder: Path, password: str) -> Path:
    path = folder / "secret"
    path.write_text(f"{password}\n")
    path.chmod(0o600)
    return path


# At the start.


def test_a_node_where_nobody_listens(tmp_path: Path) -> None:
    said = refused(tmp_path, NOWHERE)
    assert NOWHERE in said
    line_of("shared.nodes", said, tmp_path)


def test_a_wrong_password_and_none(tmp_path: Path) -> None:
    users = ["user default off", "user mail on >right ~* &* +@all"]
    secret = secret_of(tmp_path, "wrong")
    user = f'username = "mail"\npassword_file = "{secret}"\n'
    with Server(users=users) as server:
        said = refused(tmp_path, server.address, user)
        assert "refuses our user or password" in said
        line_of("shared.password_file", said, tmp_path)
        assert "refuses our user or password" in refused(tmp_path, server.address)
        secret.unlink()
        assert f"there is no file {secret}" in refused(tmp_path, server.address, user)


def test_a_user_who_may_not_use_our_keys(tmp_path: Path) -> None:
    secret = secret_of(tmp_path, "right")
    with Server(users=["user default off", "user mail on >right ~other:* &* +@all"]) as server:
        said = refused(tmp_path, server.address, f'username = "mail"\npassword_file = "{secret}"\n')
        assert "forbids" in said
        line_of("shared.username", said, tmp_path)


def test_a_certificate_of_an_unknown_authority_or_another_name(tmp_path: Path) -> None:
    client = f'certificate = "{TLS}/client.pem"\nkey = "{TLS}/client.key"\n'
    right = f'[shared.tls]\nca = "{TLS}/ca.pem"\n{client}'
    with Server(tls=True) as server:
        said = refused(
            tmp_path, server.address, f'[shared.tls]\nca = "{TLS}/stranger.pem"\n{client}'
        )
        assert "no TLS with" in said and "verify failed" in said
        line_of("shared.tls", said, tmp_path)
        assert "shared store" in refused(tmp_path, server.address)  # without TLS
        host(tmp_path / "right", server.address, right).__enter__().__exit__()
    with Server(tls=True, place=Place("127.0.0.2")) as server:
        said = refused(tmp_path, server.address, right)
        assert "no TLS with" in said and "127.0.0.2" in said
        line_of("shared.tls", said, tmp_path)


def test_keys_of_somebody_else_under_our_prefix(tmp_path: Path, server: Server) -> None:
    server.cli("SET", "poplock:theirs", "1")
    said = refused(tmp_path, server.address, 'prefix = "poplock"\n')
    assert "another program" in said
    line_of("shared.prefix", said, tmp_path)
    assert server.cli("KEYS", "*") == "poplock:theirs", "nothing was written beside them"
    host(tmp_path / "other", server.address, 'prefix = "mail"\n').__enter__().__exit__()


def test_a_store_that_another_host_makes_its_own_while_we_look_at_it_is_that_of_both(
    server: Server,
) -> None:
    class Watched(RedisStore):
        async def others_keys(self) -> bool:
            await self.make_schema("theirs", await self.time())
            return await super().others_keys()

    async def meet() -> None:
        settings = SharedSection(nodes=(server.address,))
        store = Watched(settings)
        authorizer = Authorizer(Policy(Rules()), SystemClock())
        await Shared(settings, authorizer, store, hold=Hold.ASKED).meet(None)
        await store.reach.close()

    asyncio.run(meet())
    assert "theirs" in server.cli("GET", "poplock:schema")


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ('{"schema":99,"epoch":"a","made":0}', "newer poplock"),
        ("garbage", "not written by poplock"),
    ],
)
def test_a_schema_that_is_newer_or_none(
    tmp_path: Path, server: Server, schema: str, words: str
) -> None:
    server.cli("SET", "poplock:schema", schema)
    assert words in refused(tmp_path, server.address)
    assert server.cli("GET", "poplock:schema") == schema


def test_a_replica(tmp_path: Path, server: Server) -> None:
    with Server(server_flavour(server)) as replica:
        replica.replicate(server)
        said = refused(tmp_path, replica.address)
        assert "is a replica" in said
        line_of("shared.nodes", said, tmp_path)


def server_flavour(server: Server) -> str:
    return next(name for name, flavour in FLAVOURS.items() if flavour == server.flavour)


def test_a_store_that_is_full_from_the_beginning(tmp_path: Path, server: Server) -> None:
    server.cli("CONFIG", "SET", "maxmemory", "1")
    assert "is full: raise its maxmemory" in refused(tmp_path, server.address)


def test_a_file_whose_times_are_ahead_of_the_stores(tmp_path: Path, server: Server) -> None:
    """Its logins would earn nothing until the store's clock has come so far."""
    daemon = host(tmp_path, server.address)
    store, clock = SqliteStore(tmp_path / "poplock.db", write=True), SystemClock()
    store.commit(Batch(), Mark(clock.boot_id(), clock.uptime(), clock.now() + 3600))
    store.close()
    said = daemon.run("run").stderr
    line_of("store.path", said, tmp_path)
    assert "3600 s ahead" in said or "3599 s ahead" in said
    assert "store copy" in said


def test_the_wrong_mode(tmp_path: Path) -> None:
    with Server() as server:
        said = refused(tmp_path, server.address, 'mode = "cluster"\n')
        line_of("shared.mode", said, tmp_path)
        said = refused(tmp_path, server.address, 'mode = "sentinel"\nmaster = "poplock"\n')
        assert server.address in said
    with Cluster() as cluster:
        replica = cluster.replica_of(cluster.master_of("poplock:schema"))
        said = refused(tmp_path, replica.address)
        line_of("shared.mode", said, tmp_path)


# While it runs.


class World:
    """Two hosts and their store."""

    def __init__(self, folder: Path, server: Server, more: str = "") -> None:
        self.server = server
        self.pop, self.smtp = (
            host(folder / name, server.address, f'host = "{name}"\n{more}')
            for name in ("pop", "smtp")
        )

    def answer(self, client: str = CLIENT, host: Poplock | None = None) -> str:
        said = (host or self.smtp).run("check", client)
        assert "Traceback" not in said.stderr
        return {0: "permit", 1: "none", 75: "unavailable"}[said.returncode]

    def log_in(self, client: str = CLIENT) -> None:
        assert self.pop.run("grant", client, "--user", "ann").returncode == 0

    def until(self, word: str, client: str = CLIENT) -> None:
        self.smtp.until(lambda: self.answer(client) == word, f"{word} for {client}")

    def troubles(self, host: Poplock) -> str:
        (row,) = host.rows("status")
        return "\n".join(row["troubles"])

    def until_well(self) -> None:
        for each in (self.pop, self.smtp):
            each.until(lambda each=each: not self.troubles(each), "no trouble")  # type: ignore[misc]


@pytest.fixture
def world(tmp_path: Path, server: Server) -> Iterator[World]:
    made = World(tmp_path, server)
    with made.pop, made.smtp:
        made.until("none")
        yield made
        assert made.pop.child.poll() is None
        assert made.smtp.child.poll() is None


@pytest.mark.parametrize(
    "command",
    [
        ("SET", KEY, "garbage"),
        ("SET", KEY, "\x81\xa1a\x90"),
        ("LPUSH", KEY, "1"),
        ("HSET", KEY, "a", "1"),
    ],
)
def test_another_programs_value_under_a_network_is_trouble_for_that_network_alone(
    world: World, command: tuple[str, ...]
) -> None:
    world.server.cli(*command)
    assert world.answer() != "permit"
    assert world.answer(OTHER) == "none"
    world.log_in(OTHER)
    assert world.answer(OTHER) == "permit"
    world.pop.run("grant", CLIENT, "--user", "ann")
    world.pop.until(lambda: "another program" in world.troubles(world.pop), "pop tells of it")
    world.server.cli("DEL", KEY)
    world.log_in()
    world.until("permit")
    world.until_well()


def test_revocations_that_cant_be_read_make_everything_unavailable(world: World) -> None:
    world.log_in()
    world.until("permit")
    world.server.cli("SET", "poplock:revoked", "garbage")
    world.until("unavailable")
    assert "poplock:revoked" in world.troubles(world.smtp)
    world.server.cli("DEL", "poplock:revoked")
    world.until("permit")
    world.until_well()


def test_a_store_that_gets_full_takes_no_login_and_loses_none(world: World) -> None:
    world.log_in()
    world.until("permit")
    world.server.cli("CONFIG", "SET", "maxmemory", "1")
    world.pop.run("grant", OTHER, "--user", "ann")
    assert "is full" in world.troubles(world.pop)
    assert world.answer() in ("permit", "unavailable")
    world.server.cli("CONFIG", "SET", "maxmemory", "0")
    world.until("permit", OTHER)
    world.until("permit")
    world.until_well()


def test_a_store_that_is_away_makes_everything_unavailable_until_it_is_back(world: World) -> None:
    world.log_in()
    world.until("permit")
    world.server.kill()
    world.until("unavailable")
    assert world.answer(OTHER) == "unavailable"
    for each in (world.pop, world.smtp):
        assert world.server.address in world.troubles(each)
    world.server.start()
    world.until("permit")
    world.until("none", OTHER)
    world.until_well()


def test_a_store_that_becomes_a_replica_takes_nothing_until_it_is_a_master(
    world: World, server: Server
) -> None:
    with Server(server_flavour(server)) as master:
        server.replicate(master)
        world.pop.run("grant", CLIENT, "--user", "ann")
        world.pop.until(lambda: "is a replica" in world.troubles(world.pop), "pop tells of it")
        assert world.answer() != "permit"
        server.cli("REPLICAOF", "NO", "ONE")
        world.until("permit")
        world.until_well()


def test_a_password_that_was_changed_is_trouble_until_the_file_has_it(tmp_path: Path) -> None:
    secret = secret_of(tmp_path, "old")
    users = ["user default off", "user mail on >old ~* &* +@all"]
    with ExitStack() as stack:
        server = stack.enter_context(Server(users=users))
        world = World(tmp_path, server, f'username = "mail"\npassword_file = "{secret}"\n')
        for each in (world.pop, world.smtp):
            stack.enter_context(each)
        world.log_in()
        world.until("permit")
        server.change_password("new", "mail")
        world.until("unavailable")
        refuses = "refuses our user or password"
        world.smtp.until(lambda: refuses in world.troubles(world.smtp), refuses)
        secret.write_text("new\n")
        world.until("permit")
        world.until_well()


def test_what_a_revocation_met_may_be_secret_but_it_holds(tmp_path: Path) -> None:
    secret = secret_of(tmp_path, "right")
    users = ["user default off", "user mail on >right ~* &* +@all"]
    with Server(users=users) as server:
        user = f'username = "mail"\npassword_file = "{secret}"\n'
        with host(tmp_path, server.address, user) as ours:
            assert ours.run("grant", CLIENT, "--user", "ann").returncode == 0
            server.cli("ACL", "SETUSER", "mail", "-scan")
            said = ours.run("revoke", "--all")
            assert said.returncode == 75
            assert "it is revoked on all hosts" in said.stderr and "forbids" in said.stderr
            ours.until(lambda: ours.answer(CLIENT) == "none", "the store counts, and has none")


def test_a_host_that_knows_the_store_starts_without_it(tmp_path: Path, server: Server) -> None:
    with host(tmp_path, server.address) as known:
        assert known.run("grant", CLIENT, "--user", "ann").returncode == 0
        known.end(signal.SIGTERM)
        server.kill()
        known.start()
        assert known.run("check", CLIENT).returncode == 75
        assert json.loads(known.run("status", "--json").stdout)["health"] == "trouble"
        server.start()
        known.until(lambda: known.run("check", CLIENT).returncode == 0, "it is permitted again")
