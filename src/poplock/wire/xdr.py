"""XDR and RPC record marking, as far as small calls need them (RFC 4506, RFC 5531).

Nothing here collects more than its caller allows: a length is compared with its limit before a
byte of what it announces is taken.
"""

from collections.abc import Iterator

from ..core.errors import WireError

_LAST = 0x8000_0000  # the top bit of a record mark: this fragment ends the record


def words(*numbers: int) -> bytes:
    """Unsigned numbers, four bytes each."""
    return b"".join([number.to_bytes(4, "big") for number in numbers])


def string(text: str) -> bytes:
    """A text with its length before it, filled up to whole words."""
    data = text.encode()
    return words(len(data)) + data + bytes(-len(data) % 4)


class Reader:
    """Takes XDR off the front of a message; WireError where it ends too soon."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def word(self) -> int:
        """An unsigned number, or an enum."""
        return int.from_bytes(self._take(4), "big")

    def skip(self, length: int) -> None:
        """Pass over bytes that are filled up to whole words."""
        self._take(length + -length % 4)

    def rest(self) -> bytes:
        """All that is left."""
        return self._data[self._at :]

    def _take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._data):
            raise WireError(f"a message that ends within a field, after {len(self._data)} bytes")
        data, self._at = self._data[self._at : end], end
        return data


def marked(record: bytes) -> bytes:
    """A record in one fragment."""
    return words(_LAST | len(record)) + record


class Records:
    """Joins the fragments of a stream into records of at most `longest` bytes."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._buffer = b""
        self._record = b""

    @property
    def at_rest(self) -> bool:
        """Whether nothing is kept of a record that isn't whole."""
        return not self._buffer and not self._record

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The records that are whole now; WireError for a long one, after those before it."""
        data = self._buffer + data
        at = 0
        while len(data) - at >= 4:
            mark = int.from_bytes(data[at : at + 4], "big")
            length = mark & ~_LAST
            if len(self._record) + length > self._longest:
                raise WireError(f"a record of more than {self._longest} bytes")
            if not length and mark != _LAST:
                raise WireError("an empty fragment that doesn't end its record")
            if len(data) - at < 4 + length:
                break
            self._record += data[at + 4 : at + 4 + length]
            at += 4 + length
            if mark & _LAST:
                record, self._record = self._record, b""
                yield record
        self._buffer = data[at:]
