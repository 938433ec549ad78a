"""What a grant takes in a host's view: `python -m bench.viewing NODE COUNT`, a process of its own.

Asks for COUNT networks that the store has, and prints by how many bytes the process has grown, for
each.
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from .common import address
from .member import loop_factory, member
from .memory import rss


async def viewed(node: str, count: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        async with member([node], Path(folder), host="host-2") as one:
            await one.ask_all([address(number) for number in range(1000)], 100)
            before = rss(os.getpid())
            for first in range(1000, count, 10_000):
                many = range(first, min(first + 10_000, count))
                await one.ask_all([address(number) for number in many], 100)
            return (rss(os.getpid()) - before) * 2**20 / (count - 1000)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        print(runner.run(viewed(sys.argv[1], int(sys.argv[2]))))
