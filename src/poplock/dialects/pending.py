"""First halves of logins that a server tells in two lines, until the second comes.

Bounded in number and in age, both by the log's own time. What is too old, or was pushed out, is
forgotten: then there is no login, rather than one from an address that somebody else had. A second
half takes its first one away, so none serves twice.
"""

from collections.abc import Sequence

MOST = 1000
"""Halves that wait at a time. Each is a connection that hasn't logged in yet; of strangers who only
connect, a thousand in a second would have to come before a client's half is pushed out."""
LONGEST = 120.0
"""Seconds from the first line to the second: as long as servers let a client think before it
has logged in, and shorter than process ids take to come round."""
LARGEST = 1024
"""Bytes of a half with its key; a larger one is not kept."""
_LATER = 5.0  # seconds that a second line's stamp may stand before its first: clocks are adjusted

Key = tuple[bytes, ...]
Half = tuple[bytes, ...]


class Pending:
    """The table of one source. By convention a key is (b"dialect", host, pid)."""

    def __init__(self) -> None:
        self._halves: dict[Key, tuple[float, Half]] = {}  # the oldest first

    def __len__(self) -> int:
        return len(self._halves)

    def put(self, key: Key, time: float, *half: bytes) -> None:
        """Let a half wait; it replaces an older one of the same key."""
        self._halves.pop(key, None)
        if sum(map(len, key + half)) > LARGEST:
            return
        if len(self._halves) >= MOST:
            del self._halves[next(iter(self._halves))]
        self._halves[key] = (time, half)

    def take(self, key: Key, time: float) -> Half | None:
        """The half that waits under this key, which is forgotten; None where none is or too old."""
        return _fresh(self._halves.pop(key, None), time)

    def peek(self, key: Key, time: float) -> Half | None:
        """The same without forgetting it."""
        return _fresh(self._halves.get(key), time)

    def dump(self) -> list[list[object]]:
        """What waits, as JSON can hold it, without what the log's own time has left behind."""
        time = max((moment for moment, _ in self._halves.values()), default=0.0)
        return [
            [moment, _texts(key), _texts(half)]
            for key, (moment, half) in self._halves.items()
            if _fresh((moment, half), time) is not None
        ]

    def load(self, rows: object) -> None:
        """Take back what `dump` gave; anything else counts as nothing, which is safe."""
        self._halves.clear()
        try:
            for moment, key, half in rows:  # type: ignore[attr-defined]  # the except is the check
                self.put(_bytes(key), float(moment), *_bytes(half))
        except (TypeError, ValueError, AttributeError):
            self._halves.clear()


def _fresh(found: tuple[float, Half] | None, time: float) -> Half | None:
    if found is None or not -_LATER <= time - found[0] <= LONGEST:
        return None
    return found[1]


def _texts(parts: Sequence[bytes]) -> list[str]:
    return [part.decode("latin-1") for part in parts]  # any byte, there and back


def _bytes(texts: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(text.encode("latin-1") for text in texts)
