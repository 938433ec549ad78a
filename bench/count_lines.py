"""The limit of the syslog bench: a server that only counts lines, on the loop that poplock runs on.

... -m bench.count_lines tcp|udp PORT        writes what it has counted to standard output
"""

import asyncio
import sys

import uvloop


class Counter(asyncio.Protocol, asyncio.DatagramProtocol):
    """Both kinds of socket."""

    lines = 0

    def data_received(self, data: bytes) -> None:
        Counter.lines += data.count(b"\n")

    def datagram_received(self, data: bytes, addr: object) -> None:
        Counter.lines += 1


async def main(kind: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    if kind == "tcp":
        await loop.create_server(Counter, "127.0.0.1", port)
    else:
        await loop.create_datagram_endpoint(Counter, ("127.0.0.1", port))
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
