"""A bad cable: what comes in at one network device goes out at the other, late or never.

    python -m testbed.wire ONE OTHER MILLISECONDS LOST [SEED]

The kernel's own way is `tc qdisc ... netem`, but kernels of small virtual machines are built
without it. This does the same from outside the kernel, with whole Ethernet frames: so TCP at both
ends sees late and missing segments and sends them again, as over a real line. Each direction is
late by MILLISECONDS and loses a share LOST of the frames. Both devices are halves of veth pairs;
what a veth leaves for a card to do (checksums, cutting) goes along (PACKET_VNET_HDR).
"""

from __future__ import annotations

import random
import select
import socket
import sys
import time
from collections import deque
from contextlib import suppress

_ALL = 0x0003  # ETH_P_ALL
_SOL_PACKET, _PACKET_VNET_HDR = 263, 15
_PACKET_OUTGOING = 4  # a frame of our own
_LONGEST = 70_000  # bytes: what the kernel hands over is cut into frames later


def _device(name: str) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
    sock.bind((name, _ALL))
    sock.setblocking(False)
    return sock


def carry(one: str, other: str, delay: float, lost: float, seed: int) -> None:
    """Until it is killed."""
    ends = _device(one), _device(other)
    across = {ends[0]: ends[1], ends[1]: ends[0]}
    late: deque[tuple[float, socket.socket, bytes]] = deque()
    chance = random.Random(seed)
    print("ready", flush=True)
    while True:
        wait = max(0.0, late[0][0] - time.monotonic()) if late else None
        for end in select.select(ends, (), (), wait)[0]:
            frame, (_, _, kind, *_) = end.recvfrom(_LONGEST)
            if kind != _PACKET_OUTGOING and chance.random() >= lost:
                late.append((time.monotonic() + delay, across[end], frame))
        while late and late[0][0] <= time.monotonic():
            _, end, frame = late.popleft()
            with suppress(OSError):  # a full queue: the line loses it
                end.send(frame)


if __name__ == "__main__":
    name, other_name, milliseconds, share, *rest = sys.argv[1:]
    seed = int(rest[0]) if rest else 1
    carry(name, other_name, float(milliseconds) / 1000, float(share), seed)
