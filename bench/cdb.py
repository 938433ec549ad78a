"""One change in a cdb of 100,000 grants, beside tcprules writing the same file.

Ours: the map takes one change (in turns a grant more, a grant less) and publishes; tcprules: reads
the rules with that change and writes the file. Both write a new file, sync it and rename it.
Before that, both files are looked into for every key by the format's description alone, and by the
real tcprulescheck for a hundred of them.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from poplock.config.maps import CdbSettings
from poplock.core.addresses import Network
from poplock.core.clock import SystemClock
from poplock.core.grants import Grant
from poplock.core.table import GrantTable
from poplock.maps.cdb import CdbMap
from poplock.maps.cdbfile import read_cdb

from .common import Row, address, row

GRANTS = 100_000


def grants_cdb(path: Path, count: int, static: Path | None = None) -> tuple[CdbMap, GrantTable]:
    """A published cdb with `count` grants and the operator's rules at `static`."""
    table, clock = GrantTable(), SystemClock()
    now = clock.now()
    for number in range(count):
        table.give(grant(number, now))
    settings = CdbSettings(path=str(path), static=None if static is None else str(static))
    map_ = CdbMap(settings, clock)
    map_.replace_all(table)
    map_.publish()
    return map_, table


def grant(number: int, now: float) -> Grant:
    network = Network(f"{address(number)}/32")
    return Grant(network, f"user{number}@example.org", "log", None, now, now, now + 3600)


def run(quick: bool = False) -> list[Row]:
    rounds = 5 if quick else 31
    ours, peer = [], []
    with tempfile.TemporaryDirectory(prefix="poplock-bench-", dir=Path.cwd()) as name:
        folder = Path(name)
        map_, table = grants_cdb(folder / "ours.cdb", GRANTS)
        rules = folder / "rules"
        rules.write_text("".join(_rules(table)))
        _tcprules(folder)
        _compare(folder)
        extra = grant(GRANTS, SystemClock().now())
        for number in range(rounds):
            more = number % 2 == 0
            start = time.perf_counter()
            map_.update([(extra.network, extra if more else None)])
            map_.publish()
            ours.append(time.perf_counter() - start)
            with rules.open("a") as file:
                file.write(f"20.9.9.{number}:allow\n")
            start = time.perf_counter()
            _tcprules(folder)
            peer.append(time.perf_counter() - start)
    middle = sorted(ours)[rounds // 2], sorted(peer)[rounds // 2]
    return [
        row(
            f"one change in a cdb of {GRANTS:,} grants, of tcprules' time",
            f"{middle[0] * 1e3:.1f} ms",
            f"tcprules {middle[1] * 1e3:.1f} ms",
            [a / b for a, b in zip(ours, peer, strict=True)],
            most=0.5,
        )
    ]


def _rules(table: GrantTable) -> Iterator[str]:
    for held in table:
        yield f'{held.address}:allow,RELAYCLIENT="",RBLSMTPD="",POPLOCK_USER="{held.user}"\n'


def _tcprules(folder: Path) -> None:
    with (folder / "rules").open("rb") as rules:
        command = ["tcprules", folder / "theirs.cdb", folder / "theirs.tmp"]
        subprocess.run(command, check=True, stdin=rules)


def _compare(folder: Path) -> None:
    """Raise where a look-up in our file finds something else than in tcprules'."""
    ours, theirs = (folder / f"{whose}.cdb" for whose in ("ours", "theirs"))
    if sorted(read_cdb(ours)) != sorted(read_cdb(theirs)):
        raise AssertionError("the two files hold other records")
    images = ours.read_bytes(), theirs.read_bytes()
    for number in range(GRANTS):
        key = address(number).encode()
        found = [_look_up(image, key) for image in images]
        if found[0] is None or found[0] != found[1]:
            raise AssertionError(f"{key!r}: {found}")
    for number in range(0, GRANTS, GRANTS // 100):
        said = [_ask_tcprulescheck(path, address(number)) for path in (ours, theirs)]
        if said[0] != said[1] or b"RELAYCLIENT" not in said[0]:
            raise AssertionError(f"{address(number)}: {said}")


def _ask_tcprulescheck(path: Path, ip: str) -> bytes:
    env = os.environ | {"TCPREMOTEIP": ip}
    return subprocess.run(["tcprulescheck", path], env=env, capture_output=True, check=True).stdout


def _look_up(image: bytes, key: bytes) -> bytes | None:
    """What stands under a key, read as cdb(5) describes the format."""

    def number(at: int) -> int:
        return int.from_bytes(image[at : at + 4], "little")

    hashed = 5381
    for byte in key:
        hashed = (hashed * 33 & 0xFFFFFFFF) ^ byte
    table, slots = number(hashed % 256 * 8), number(hashed % 256 * 8 + 4)
    for probe in range(slots):
        slot = table + (hashed // 256 + probe) % slots * 8
        at = number(slot + 4)
        if not at:
            return None
        length = number(at)
        if number(slot) == hashed and image[at + 8 : at + 8 + length] == key:
            return image[at + 8 + length : at + 8 + length + number(at + 4)]
    return None
