"""The ceiling: a server on the event loop that looks for one text and replies.

Run as `python -m bench.null_loop PORT [udp]`: the policy service on asyncio's own loop, or WHOSON's
datagrams on the daemon's loop, read and sent as `net/datagram.py` does.
Nothing written on that loop can be faster, so what we lose against this is ours and what this loses
against C is the library's, or Python's.
"""

import asyncio
import socket
import sys
from typing import Any, cast

_BATCH = 32  # as net/datagram.py


class _Null(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast(asyncio.Transport, transport).write

    def data_received(self, data: bytes) -> None:
        granted = b"\nclient_address=20." in data
        self._write(b"action=OK\n\n" if granted else b"action=DUNNO\n\n")


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Null, "127.0.0.1", port)
    await server.serve_forever()


async def _serve_datagrams(port: int) -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", port))
    sock.setblocking(False)

    def ready() -> None:
        received: list[tuple[bytes, Any]] = []
        try:
            while len(received) < _BATCH:
                received.append(sock.recvfrom(2048))
        except BlockingIOError:
            pass  # that was all
        for data, back in received:
            sock.sendto(b"+user\r\n\r\n" if b" 20." in data else b"-no\r\n\r\n", back)

    asyncio.get_running_loop().add_reader(sock, ready)
    await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[2:] == ["udp"]:
        import uvloop

        uvloop.run(_serve_datagrams(int(sys.argv[1])))
    asyncio.run(_serve(int(sys.argv[1])))
