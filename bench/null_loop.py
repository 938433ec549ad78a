"""The ceiling: an asyncio server that looks for one text and replies.

Run as `python -m bench.null_loop PORT`.
Nothing written on asyncio's selector loop can be faster, so what we lose against this is ours and
what this loses against C is the library's.
"""

import asyncio
import sys
from typing import cast


class _Null(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast(asyncio.Transport, transport).write

    def data_received(self, data: bytes) -> None:
        granted = b"\nclient_address=20." in data
        self._write(b"action=OK\n\n" if granted else b"action=DUNNO\n\n")


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Null, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
