"""The commands that poplock sends to a shard, for numbered networks and users, by its own codec."""

import time

from poplock.core.addresses import Network
from poplock.core.grants import Grant
from poplock.stores.document import grant_register, pack
from poplock.stores.redis import _KEEP, _KEEP_SHA, _OUTLIVES

SOURCE = "file:/var/log/mail.log"
HOST = "pop7.example.org"
_SCRIPT, _OUTLIVES_BYTES = _KEEP_SHA.encode(), str(_OUTLIVES).encode()
_START = time.time()
_seq = 0


def network(number: int) -> str:
    return f"20.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}/32"


def key(number: int) -> bytes:
    return f"poplock:{{{network(number)}}}".encode()


def document(number: int, user: int = 0) -> bytes:
    """What the host tells of a login; later each time, and never in the future."""
    global _seq
    _seq += 1
    now = _START + _seq * 1e-6
    name = f"user{number}.{user}@example.org"
    grant = Grant(Network(network(number)), name, SOURCE, None, now - 600, now, now + 3600)
    return pack([grant_register(grant, HOST, now)])


def load() -> tuple[bytes, ...]:
    """What makes a server know the script of `keep`."""
    return b"SCRIPT", b"LOAD", _KEEP.encode()


def keep(number: int, user: int = 0) -> bytes:
    told = document(number, user)
    return packed(b"EVALSHA", _SCRIPT, b"1", key(number), told, _OUTLIVES_BYTES)


def get(numbers: list[int]) -> bytes:
    return packed(b"MGET", *map(key, numbers))


def packed(*words: bytes) -> bytes:
    """A command as RESP has it."""
    return b"".join((b"*%d\r\n" % len(words), *(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)))
