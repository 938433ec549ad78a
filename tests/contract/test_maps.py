"""The laws of a map, over every row of MAPS, read back as far as the format says itself.

What real MTAs make of these files is shown in tests/servers.
"""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import msgspec
import pytest

from poplock.config.maps import (
    AddressCdbSettings,
    AddressesSettings,
    CdbSettings,
    DirectorySettings,
    MapSettings,
    PostfixLmdbSettings,
    SqliteSettings,
    TextSettings,
)
from poplock.core.addresses import client_in
from poplock.core.clock import FakeClock
from poplock.core.errors import MapError
from poplock.core.grants import Grant, Revoked
from poplock.core.table import GrantTable
from poplock.maps import MAPS, Map, make_lease, make_map
from poplock.maps.cdbfile import read_cdb
from poplock.maps.directory import PREFIX_FILE, file_name

Read = Callable[[Path], set[str]]

NOBODY = "0.0.0.0"  # stands in a table for OpenSMTPD, which takes none that is empty


def cdb(path: Path) -> set[str]:
    return {k.rstrip(b"\0").decode() for k, data in read_cdb(path) if b"OK" in data or b"+" in data}


READ_LMDB = """
import lmdb, sys
with lmdb.open(sys.argv[1], subdir=False, lock=False, readonly=True) as env, env.begin() as seen:
    for key, _ in seen.cursor():
        print(bytes(key).rstrip(b"\\0").decode())
"""


def lmdb_keys(path: Path) -> set[str]:
    """By another process: LMDB allows one environment of a file in each."""
    command = [sys.executable, "-c", READ_LMDB, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return set(done.stdout.splitlines())


def rows(path: Path) -> set[str]:
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return {ip for (ip,) in db.execute("SELECT ip FROM relay")}
    finally:
        db.close()


def files(path: Path) -> set[str]:
    return {f.name for f in path.iterdir() if f.name != PREFIX_FILE} if path.exists() else set()


def text(path: Path) -> set[str]:
    lines = path.read_text().splitlines()
    keys = {line.split("\t")[0].split(" ")[0] for line in lines if not line.startswith("#")}
    return keys - {NOBODY}


EXACT = ("203.0.113.9", "2001:db8:1:2:3:4:5:6")
# type -> settings, what reads it back, and what stands there for 203.0.113.9 and the IPv6 client
KINDS: dict[str, tuple[Callable[[Path], MapSettings], Read, tuple[str, str]]] = {
    "cdb": (lambda p: CdbSettings(path=str(p / "m")), cdb, EXACT),
    "directory": (
        lambda p: DirectorySettings(path=str(p / "m")),
        files,
        ("203.0.113.9", file_name("2001:db8:1:2::/64")),  # type: ignore[arg-type]
    ),
    "addresses": (lambda p: AddressesSettings(path=str(p / "m")), files, EXACT),
    "address_cdb": (lambda p: AddressCdbSettings(path=str(p / "m.cdb")), cdb, EXACT),
    "postfix_lmdb": (lambda p: PostfixLmdbSettings(path=str(p / "m.lmdb")), lmdb_keys, EXACT),
    "sqlite": (lambda p: SqliteSettings(path=str(p / "m")), rows, EXACT),
}
FORMS = {
    "plain": ("203.0.113.9", "2001:db8:1:2::/64"),
    "postfix_cidr": ("203.0.113.9/32", "2001:db8:1:2::/64"),
    "exim": ("203.0.113.9:", '"2001:db8:1:2::/64":'),
    "sendmail": ("Connect:203.0.113.9", "Connect:IPv6:2001:db8:1:2"),
    "opensmtpd": ("203.0.113.9", "[2001:db8:1:2::/64]"),
    "courier": ("203.0.113.9", ":2001:0db8:0001:0002"),
}


def text_settings(form: str) -> Callable[[Path], MapSettings]:
    return lambda p: msgspec.convert(
        {"type": "text", "path": str(p / "m"), "form": form}, TextSettings
    )


ALL = {
    **KINDS,
    **{f"text {form}": (text_settings(form), text, keys) for form, keys in FORMS.items()},
}
every_map = pytest.mark.parametrize("kind", ALL)


class World:
    """A table, and one map of it."""

    def __init__(self, kind: str, folder: Path) -> None:
        make, self._read, self.keys = ALL[kind]
        self.clock = FakeClock()
        self.table = GrantTable()
        self.settings = make(folder)
        self.map: Map = make_map(self.settings, self.clock)
        self.lease = make_lease(self.settings, self.clock)

    def read(self) -> set[str]:
        return self._read(Path(self.settings.path))

    def grants(self) -> list[Grant]:
        return list(self.table.longest(self.clock.now()))

    def publish(self) -> None:
        with self.lease.renewal():
            self.map.publish()

    def give(self, ip: str, user: str = "ann", seconds: float = 600.0) -> Grant:
        prefix = 32 if ":" not in ip else 64
        network: Any = str(ip_network(f"{ip}/{prefix}", strict=False))
        now = self.clock.now()
        client = client_in(network, str(ip_address(ip)))
        change = self.table.give(Grant(network, user, "log", client, now, now, now + seconds))
        assert change is not None and change.grant is not None
        self.tell(network)
        return change.grant

    def tell(self, network: Any) -> None:
        self.map.update([(network, self.table.best(network, self.clock.now()))])


def empty(kind: str, folder: Path) -> World:
    """A world whose map is written and has no grant."""
    made = World(kind, folder)
    made.map.replace_all(made.grants())
    made.publish()
    return made


@pytest.fixture
def world(kind: str, tmp_path: Path) -> World:
    return empty(kind, tmp_path)


@pytest.fixture
def worlds(tmp_path: Path) -> dict[str, World]:
    """One of each kind: the verbs go over all maps of a configuration, and start once."""
    made = {}
    for kind in ALL:
        folder = tmp_path / kind.replace(" ", "-")
        folder.mkdir()
        made[kind] = empty(kind, folder)
    return made


def contents(worlds: dict[str, World]) -> dict[str, set[str]]:
    return {kind: world.read() for kind, world in worlds.items()}


def test_the_table_of_these_tests_is_whole() -> None:
    assert {kind.partition(" ")[0] for kind in ALL} == set(MAPS)
    forms = msgspec.inspect.type_info(TextSettings)
    (form,) = [f for f in forms.fields if f.name == "form"]  # type: ignore[union-attr]
    assert set(FORMS) == set(form.type.values)  # type: ignore[union-attr]


@every_map
def test_a_grant_is_there_in_its_readers_spelling_and_goes_when_it_ends(world: World) -> None:
    assert world.read() == set()
    first, second = world.give(EXACT[0]), world.give(EXACT[1])
    world.publish()
    assert world.read() == set(world.keys)
    for grant in (first, second):
        world.table.drop(grant)
        world.tell(grant.network)
    world.publish()
    assert world.read() == set()


@every_map
def test_a_map_written_anew_is_the_one_that_followed_each_change(
    world: World, kind: str, tmp_path: Path
) -> None:
    for number in range(40):
        grant = world.give(f"203.0.113.{number % 7}", f"user{number}", 600 + number)
        world.give(f"2001:db8:1:{number % 5:x}::{number + 1:x}", seconds=600 + number)
        if number % 3 == 0:
            world.table.revoke(Revoked(grant.network, None, world.clock.now()))
            world.tell(grant.network)
        world.clock.advance(1)
        if number % 4 == 0:
            world.publish()
    world.publish()
    (tmp_path / "anew").mkdir()
    fresh = World(kind, tmp_path / "anew")
    fresh.map.replace_all(world.grants())
    fresh.publish()
    assert world.read() == fresh.read() != set()


@every_map
def test_another_client_of_an_ipv6_network_replaces_the_first(world: World) -> None:
    world.give("2001:db8:1:2:3:4:5:7")
    world.clock.advance(1)
    world.give(EXACT[1])
    world.publish()
    assert world.read() == {world.keys[1]}


def maps(verb: str, worlds: dict[str, World], folder: Path) -> str:
    """`poplock maps VERB`, another process that knows of no grant."""
    lines = []
    for world in worlds.values():
        known = msgspec.to_builtins(world.settings, enc_hook=float)
        values = {k: v for k, v in known.items() if v is not None}
        lines += ["[[map]]\n", *(f"{key} = {json.dumps(v)}\n" for key, v in values.items())]
    (folder / "poplock.toml").write_text("".join(lines))
    command = [sys.executable, "-m", "poplock", "maps", verb, "--config", "poplock.toml"]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def test_clear_takes_out_the_grants_of_another_process_too(
    worlds: dict[str, World], tmp_path: Path
) -> None:
    for world in worlds.values():
        world.give(EXACT[0])
        world.publish()
    assert contents(worlds) == {kind: {world.keys[0]} for kind, world in worlds.items()}
    maps("clear", worlds, tmp_path)
    assert contents(worlds) == {kind: set() for kind in worlds}


def test_a_lease_that_ran_out_is_swept_once_and_its_writer_notices(
    worlds: dict[str, World], tmp_path: Path
) -> None:
    for kind, world in worlds.items():
        world.give(EXACT[0], seconds=90_000)
        world.publish()
        with make_lease(world.settings, world.clock).ended() as over:
            assert not over, kind
        assert not world.lease.lapsed, kind
        world.clock.advance(world.settings.lease)
    swept = maps("sweep", worlds, tmp_path)
    for world in worlds.values():
        assert f"{world.settings.path}: its lease had run out" in swept
    assert contents(worlds) == {kind: set() for kind in worlds}
    assert maps("sweep", worlds, tmp_path) == ""  # nothing left to do
    for kind, world in worlds.items():
        assert world.lease.lapsed, kind
        world.map.replace_all(world.grants())  # as the publisher does then
        world.publish()
        assert world.read() == {world.keys[0]}, kind
        assert not world.lease.lapsed, kind


@every_map
def test_a_map_that_cannot_be_written_says_so_and_its_lease_is_not_prolonged(
    world: World, tmp_path: Path
) -> None:
    world.give(EXACT[0], seconds=90_000)
    world.publish()
    world.clock.advance(world.settings.lease - 1)
    away = tmp_path.with_name(tmp_path.name + ".away")
    tmp_path.rename(away)
    world.give("203.0.113.10")
    with pytest.raises(MapError, match=r"m(\.cdb|\.lmdb)?\b"):
        world.publish()
    away.rename(tmp_path)
    assert world.read() == {world.keys[0]}
    world.clock.advance(1)
    assert world.lease.lapsed
    world.map.replace_all(world.grants())
    world.publish()
    assert len(world.read()) == 2


@every_map
def test_a_missing_group_is_a_map_error(kind: str, tmp_path: Path) -> None:
    world = World(kind, tmp_path)
    settings = msgspec.structs.replace(world.settings, group="no-such-group")
    map_ = make_map(settings, world.clock)
    map_.replace_all(world.grants())
    map_.update([(world.give(EXACT[0]).network, next(iter(world.table)))])
    with pytest.raises(MapError, match="no-such-group"):
        map_.publish()


def test_a_reboot_ends_a_lease_and_a_step_of_the_wall_clock_does_not(tmp_path: Path) -> None:
    world = World("cdb", tmp_path)
    world.map.replace_all(world.grants())
    world.publish()
    world.clock.step(90_000)
    with make_lease(world.settings, world.clock).ended() as over:
        assert not over
    world.clock.reboot()
    with make_lease(world.settings, world.clock).ended() as over:
        assert over


def test_an_sqlite_row_ends_with_its_grant_or_its_lease_whatever_the_wall_clock_does(
    tmp_path: Path,
) -> None:
    world = World("sqlite", tmp_path)

    def ends() -> dict[str, float]:
        world.map.renew()
        world.publish()
        db = sqlite3.connect(world.settings.path)
        found = dict(db.execute("SELECT ip, expires FROM relay").fetchall())
        db.close()
        return {ip: end - world.clock.wall() for ip, end in found.items()}

    world.give("203.0.113.1", seconds=600)
    world.give("203.0.113.2", seconds=90_000)
    assert ends() == {"203.0.113.1": 600, "203.0.113.2": 3600}
    world.clock.advance(2000)
    assert ends() == {"203.0.113.1": -1400, "203.0.113.2": 3600}
    world.clock.step(-10_000)
    assert ends() == {"203.0.113.1": -1400, "203.0.113.2": 3600}


def test_a_file_of_the_directory_ends_with_its_grant_or_its_lease_which_is_prolonged_at_half(
    tmp_path: Path,
) -> None:
    world = World("directory", tmp_path)
    folder = Path(world.settings.path)
    world.map.replace_all(world.grants())

    def deadlines() -> dict[str, float]:
        world.map.renew()
        world.publish()
        now = world.clock.uptime()
        return {f.name: int(f.read_text().split()[0]) - now for f in folder.iterdir()}

    world.give("203.0.113.1", seconds=600)
    world.give("203.0.113.2", seconds=90_000)
    assert deadlines() == {"203.0.113.1": 600, "203.0.113.2": 3600}
    world.clock.advance(1700)
    assert deadlines() == {"203.0.113.1": -1100, "203.0.113.2": 1900}, "not each time"
    world.clock.advance(200)
    assert deadlines() == {"203.0.113.1": -1300, "203.0.113.2": 3600}


@pytest.mark.parametrize("form", FORMS)
def test_the_operators_lines_stand_first_and_stay(form: str, tmp_path: Path) -> None:
    static = tmp_path / "static"
    static.write_text("10.0.0.1 mine")
    settings = msgspec.structs.replace(text_settings(form)(tmp_path), static=str(static))
    world = World("text plain", tmp_path)
    map_ = make_map(settings, world.clock)
    map_.replace_all(world.grants())
    grant = world.give(EXACT[0])
    map_.update([(grant.network, grant)])
    map_.publish()
    lines = [x for x in Path(settings.path).read_text().splitlines() if x != NOBODY]
    assert lines[0] == "10.0.0.1 mine"
    assert len(lines) == 3
    static.unlink()  # emptied all the same, and the operator's lines are those of the last time
    make_map(settings, world.clock).clear()
    assert [x for x in Path(settings.path).read_text().splitlines() if x != NOBODY] == lines[:2]


def test_a_program_after_each_writing_is_run_without_a_shell_and_its_failure_told(
    tmp_path: Path,
) -> None:
    said = tmp_path / "said"
    script = tmp_path / "after"
    script.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >>{said}; cat {tmp_path}/m >>{said}\nexit $2\n'
    )
    script.chmod(0o755)
    for status in ("0", "3"):
        after = (str(script), "a b; $(x)", status)
        settings = msgspec.structs.replace(text_settings("plain")(tmp_path), after=after)
        map_ = make_map(settings, FakeClock())
        map_.replace_all([])
        if status == "0":
            map_.publish()
        else:
            with pytest.raises(MapError, match="status 3"):
                map_.publish()
    assert said.read_text().startswith("a b; $(x)\n0\n# Grants by poplock")


def test_what_stands_behind_each_copy_in_sqlite_tells_its_readers(tmp_path: Path) -> None:
    stamp, said = tmp_path / "s.cdb", tmp_path / "said"
    settings = SqliteSettings(
        path=str(tmp_path / "m"),
        stamp=str(stamp),
        after=("/bin/sh", "-c", f"echo >>{said}"),
    )
    world = World("sqlite", tmp_path)
    map_ = make_map(settings, world.clock)
    map_.replace_all(world.grants())
    map_.publish()
    assert read_cdb(stamp) == []
    first = stamp.stat().st_ino
    held = stamp.open("rb")  # as a reader does: its inode can't be used again meanwhile
    map_.publish()  # nothing has changed
    assert stamp.stat().st_ino == first
    grant = world.give(EXACT[0])
    map_.update([(grant.network, grant)])
    map_.publish()
    assert os.fstat(held.fileno()).st_nlink == 0
    map_.clear()
    held.close()
    assert said.read_text() == "\n\n\n"


def test_a_table_for_opensmtpd_is_never_empty(tmp_path: Path) -> None:
    world = World("text opensmtpd", tmp_path)
    world.map.replace_all(world.grants())
    world.publish()
    path = Path(world.settings.path)
    assert path.read_text().splitlines()[1:] == [NOBODY]
    world.map.clear()
    assert path.read_text().splitlines()[1:] == [NOBODY]
