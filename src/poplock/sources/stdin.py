"""Learns logins from log lines on standard input: a pipe from rsyslog's omprog, or a file."""

import asyncio
import os
import sys

from ..config.sources import StdinSettings
from ..dialects.scanner import Scanner
from ..wire.lines import LineCutter
from .intake import Intake

_CHUNK = 4096  # bytes: at most 0.3 ms of work between two turns of the answers


class StdinSource:
    """Log lines on a descriptor."""

    def __init__(self, intake: Intake, descriptor: int, scanner: Scanner) -> None:
        self.intake = intake
        self._descriptor = descriptor
        self._scanner = scanner

    async def run(self, position: str | None) -> None:
        """Read until the end; there is no position to go back to."""
        intake, cutter = self.intake, LineCutter()
        intake.health.caught_up = True
        loop = asyncio.get_running_loop()
        while chunk := await loop.run_in_executor(None, os.read, self._descriptor, _CHUNK):
            block = cutter.feed(chunk)
            if block:
                intake.take(self._scanner.feed(block, intake.clock.wall(), live=True))
            intake.health.skipped = cutter.skipped + self._scanner.skipped
        intake.health.trouble = "standard input has ended"


def make(settings: StdinSettings, intake: Intake) -> StdinSource:
    """The source that `[[source]]` with `type = "stdin"` describes."""
    return StdinSource(intake, sys.stdin.fileno(), intake.scanner(settings.dialects))
