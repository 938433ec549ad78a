"""Does a cdb of ours answer every look-up as that of tcprules does?

By the format's description alone for every key, and by the real tcprulescheck for a hundred.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from poplock.maps.cdbfile import read_cdb

_ASKED = 100


def compare(ours: Path, theirs: Path, addresses: Sequence[str]) -> None:
    """Raise where a look-up in our file finds something else than in tcprules'."""
    if sorted(read_cdb(ours)) != sorted(read_cdb(theirs)):
        raise AssertionError("the two files hold other records")
    images = ours.read_bytes(), theirs.read_bytes()
    for ip in addresses:
        found = [_look_up(image, ip.encode()) for image in images]
        if found[0] is None or found[0] != found[1]:
            raise AssertionError(f"{ip}: {found}")
    for ip in addresses[:: max(len(addresses) // _ASKED, 1)]:
        said = [_ask_tcprulescheck(path, ip) for path in (ours, theirs)]
        if said[0] != said[1] or b"RELAYCLIENT" not in said[0]:
            raise AssertionError(f"{ip}: {said}")


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
