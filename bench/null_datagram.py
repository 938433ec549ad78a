"""The ceiling over UDP: a server in the daemon's own event loop that always says the same.

Run as `python -m bench.null_datagram PORT`.
"""

import asyncio
import sys
from typing import Any, cast

from poplock.serve import _event_loop, tune_interpreter


class _Null(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._send = cast(asyncio.DatagramTransport, transport).sendto

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._send(b"-Not Logged in\r\n\r\n", addr)


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(_Null, ("127.0.0.1", port))
    await asyncio.Event().wait()


if __name__ == "__main__":
    tune_interpreter()
    with asyncio.Runner(loop_factory=_event_loop()) as runner:
        runner.run(_serve(int(sys.argv[1])))
