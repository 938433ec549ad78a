"""What does publishing cost, with 1,000, 10,000 and 100,000 grants, for each map?

One change: in turns a grant more, a grant less; the map takes it and publishes. Full: an empty map,
as at the daemon's start, takes over all grants and writes everything. The part in the event loop,
during which nobody is answered, is told apart; the rest is another thread's. Peers make the same
file from a text with the same change: tcprules, and of the testbed's roots postmap (`-i` and `-d`
for one change, where the format can) and makemap, by the processes' own time. All files are on one
file system; ours are synced.

Before that, all look-ups in a cdb of ours are compared with those in tcprules'. Needs root.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

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
from poplock.core.addresses import Network
from poplock.core.clock import SystemClock
from poplock.core.grants import Grant
from poplock.core.table import GrantTable
from poplock.maps import Map, make_map
from testbed import servers
from testbed.host import Host

from .common import Row, address, row
from .same_cdb import compare

RELEASE = "bookworm"
SIZES = (1_000, 10_000, 100_000)
MOST_OF_TCPRULES = 0.5
"""For one change at the largest size; the other figures have no target."""


def grant(number: int, now: float) -> Grant:
    network = Network(f"{address(number)}/32")
    return Grant(network, f"user{number}@example.org", "log", None, now, now, now + 3600)


def granted(count: int) -> GrantTable:
    """A table with `count` grants."""
    table, now = GrantTable(), SystemClock().now()
    for number in range(count):
        table.give(grant(number, now))
    return table


def published(settings: MapSettings, table: GrantTable) -> Map:
    """A map that stands in the file system."""
    map_ = make_map(settings, SystemClock())
    map_.replace_all(list(table))
    map_.publish()
    return map_


Times = tuple[float, float]
"""Seconds of the whole, and of that in the event loop."""


@dataclass(frozen=True)
class Peer:
    """A program that makes such a file; it runs in the folder of the maps."""

    name: str
    root: Path
    folder: str
    line: Callable[[int], str]
    write: tuple[str, ...]
    """Makes the file from the text `source`, which is its standard input too."""
    add: tuple[str, ...] = ()
    """Puts the line on its standard input into the file; () where only `write` can."""
    drop: tuple[str, ...] = ()

    def run(self, command: Sequence[str], stdin: Path) -> float:
        """Seconds of the process."""

        def enter() -> None:
            os.chroot(self.root)
            os.chdir(self.folder)

        with stdin.open("rb") as text:
            start = time.perf_counter()
            subprocess.run(command, stdin=text, preexec_fn=enter, check=True)
            return time.perf_counter() - start


@dataclass(frozen=True)
class Kind:
    """One map, where it stands, and who else can write it."""

    name: str
    settings: MapSettings
    peer: Peer | None = None


def run(quick: bool = False) -> list[Row]:
    rows = []
    with ExitStack() as exits:
        packages = ("postfix", "postfix-cdb", "postfix-lmdb", "ucspi-tcp")
        postfix = exits.enter_context(Host(RELEASE, packages, servers.PREPARE_POSTFIX))
        postfix.write("/etc/postfix/main.cf", "compatibility_level = 3.6\n")
        sendmail = exits.enter_context(Host(RELEASE, ("sendmail-bin",)))
        for count in SIZES[:1] if quick else SIZES:
            table = granted(count)
            for kind in _kinds(postfix, sendmail):
                print(f"  {kind.name}, {count:,} grants", file=sys.stderr, flush=True)
                rows += _measure(kind, table, count, quick)
    return rows


def _kinds(postfix: Host, sendmail: Host) -> list[Kind]:
    here, access = postfix.shared / "maps", sendmail.shared / "maps"
    for folder in (here, access):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    tcprules = ("tcprules", "theirs.cdb", "theirs.tmp")
    makemap = ("makemap", "hash", "theirs.db")
    in_postfix = (postfix.files, "/shared/maps")
    in_sendmail = (sendmail.files, "/shared/maps")
    after = ("/usr/sbin/chroot", str(sendmail.files), *makemap[:2], "/shared/maps/ours.db")
    return [
        Kind(
            "cdb",
            CdbSettings(path=str(here / "ours.cdb")),
            Peer("tcprules", *in_postfix, _rule, tcprules),
        ),
        Kind(
            "address_cdb",
            AddressCdbSettings(path=str(here / "addresses.cdb")),
            Peer("postmap cdb", *in_postfix, _postmap_line, ("postmap", "cdb:source")),
        ),
        Kind(
            "postfix_lmdb",
            PostfixLmdbSettings(path=str(here / "ours.lmdb")),
            Peer(
                "postmap lmdb",
                *in_postfix,
                _postmap_line,
                ("postmap", "lmdb:source"),
                ("postmap", "-i", "lmdb:source"),
                ("postmap", "-d", "-", "lmdb:source"),
            ),
        ),
        Kind("sqlite", SqliteSettings(path=str(here / "ours.db"))),
        Kind("addresses", AddressesSettings(path=str(here / "addresses"))),
        Kind("directory", DirectorySettings(path=str(here / "directory"))),
        Kind("text", TextSettings(path=str(here / "ours.txt"), form="plain")),
        Kind(
            "text and makemap",
            TextSettings(path=str(access / "ours"), form="sendmail", after=after),
            Peer("makemap", *in_sendmail, _access_line, makemap),
        ),
    ]


def _measure(kind: Kind, table: GrantTable, count: int, quick: bool) -> list[Row]:
    changes, fulls = (3, 1) if quick else (15, 3)
    map_ = make_map(kind.settings, SystemClock())
    folder = Path(kind.settings.path).parent
    ours = [_full(map_, table) for _ in range(fulls)]
    theirs = []
    if kind.peer is not None:
        text = "".join(kind.peer.line(number) for number in range(count))
        (folder / "source").write_text(text)
        kind.peer.run(kind.peer.write, folder / "source")  # its program is in memory from here on
        theirs = [kind.peer.run(kind.peer.write, folder / "source") for _ in range(fulls)]
    if kind.name == "cdb":
        keys = [address(number) for number in range(count)]
        compare(folder / "ours.cdb", folder / "theirs.cdb", keys)
    rows = [_row(f"{kind.name}, {count:,} grants: full", kind.peer, ours, theirs)]
    ours, theirs = [], []
    for turn in range(changes):
        more = turn % 2 == 0
        ours.append(_change(map_, grant(count, SystemClock().now()), more))
        if kind.peer is not None:
            theirs.append(_peers_change(kind.peer, folder, count, more))
    most = MOST_OF_TCPRULES if kind.name == "cdb" and count == SIZES[-1] else None
    figure = f"{kind.name}, {count:,} grants: one change"
    return [*rows, _row(figure, kind.peer, ours, theirs, most)]


def _full(map_: Map, table: GrantTable) -> Times:
    map_.clear()
    start = time.perf_counter()
    map_.replace_all(list(table))
    middle = time.perf_counter()
    map_.publish()
    return time.perf_counter() - start, middle - start


def _change(map_: Map, extra: Grant, more: bool) -> Times:
    start = time.perf_counter()
    map_.update([(extra.network, extra if more else None)])
    middle = time.perf_counter()
    map_.publish()
    return time.perf_counter() - start, middle - start


def _peers_change(peer: Peer, folder: Path, count: int, more: bool) -> float:
    source, line = folder / "source", peer.line(count)
    if peer.add:
        change = folder / "change"
        change.write_text(line if more else line.split()[0] + "\n")
        return peer.run(peer.add if more else peer.drop, change)
    text = source.read_text()
    source.write_text(text + line if more else text.removesuffix(line))
    return peer.run(peer.write, source)


def _row(
    figure: str,
    peer: Peer | None,
    ours: list[Times],
    theirs: list[float],
    most: float | None = None,
) -> Row:
    whole, loop = (statistics.median(part) * 1e3 for part in zip(*ours, strict=True))
    said = f"{whole:,.1f} ms ({loop:,.1f} in the event loop)"
    if peer is None:
        return row(f"{figure}, ms", said, "–", [a * 1e3 for a, _ in ours])
    middle = statistics.median(theirs) * 1e3
    ratios = [a / b for (a, _), b in zip(ours, theirs, strict=True)]
    figure = f"{figure}, of the time of {peer.name}"
    return row(figure, said, f"{peer.name} {middle:,.1f} ms", ratios, most=most)


def _rule(number: int) -> str:
    variables = f'RELAYCLIENT="",RBLSMTPD="",POPLOCK_USER="user{number}@example.org"'
    return f"{address(number)}:allow,{variables}\n"


def _postmap_line(number: int) -> str:
    return f"{address(number)} OK\n"


def _access_line(number: int) -> str:
    return f"Connect:{address(number)}\tRELAY\n"
