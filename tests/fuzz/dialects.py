"""No login from an address that a client wrote, whatever else it writes."""

import time
from collections.abc import Callable
from random import Random

from poplock.core.events import Login
from poplock.dialects import DIALECTS, load
from poplock.dialects.scanner import Scanner

from .hostile import TRUE, Template, of_dialect, pieces_of, text

_BLOCK = 500  # inputs scanned at once


def harness(name: str) -> Callable[[Random, int], None]:
    """The harness of one dialect: its templates, read with all dialects on."""

    def run(random: Random, count: int) -> None:
        found = of_dialect(name)
        parts = pieces_of(found)
        scanner = Scanner(load(DIALECTS))
        while count > 0:
            template = random.choice(found)
            inputs = [
                template.fill(text(random, parts), [text(random, parts) for _ in range(2)])
                for _ in range(min(_BLOCK, count))
            ]
            count -= len(inputs)
            check(scanner, template, b"".join(inputs))

    return run


def check(scanner: Scanner, template: Template, block: bytes) -> None:
    """Each login in the block comes from the true address, or there is none."""
    for place, event in scanner.places(block, time.time()):
        if isinstance(event, Login):
            line = block[place : block.index(b"\n", place)]
            assert not template.never, f"a login from what must never be one: {line!r}"
            assert str(event.ip).encode() == TRUE, f"a login from {event.ip}: {line!r}"
