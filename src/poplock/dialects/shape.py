"""What can be known of a pattern without running it: a walk over its parse tree.

Python's own parser makes the tree (`re._parser`; its shape is the same in 3.11 to 3.13, and a test
goes over every kind of node).
"""

import re
from functools import cache, lru_cache
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

_ALL = frozenset(range(256))


def first_bytes(pattern: bytes) -> bytes:
    """A class of the bytes that what a pattern matches can begin with."""
    begins, empty = _first(list(_parser.parse(pattern)))
    found = _ALL if empty else begins
    return rb"[" + b"".join(b"\\x%02x" % byte for byte in sorted(found)) + rb"]"


def _first(nodes: list[Any]) -> tuple[frozenset[int], bool]:
    """The bytes that a sequence can begin with, and whether it can be empty."""
    found: frozenset[int] = frozenset()
    for kind, value in nodes:
        begins, empty = _first_of(kind, value)
        found |= begins
        if not empty:
            return found, False
    return found, True


def _first_of(kind: Any, value: Any) -> tuple[frozenset[int], bool]:
    if kind is op.BRANCH:
        parts = [_first(list(branch)) for branch in value[1]]
        return frozenset().union(*(b for b, _ in parts)), any(e for _, e in parts)
    if kind is op.SUBPATTERN:
        return _first(list(value[3]))
    if kind is op.ATOMIC_GROUP:
        return _first(list(value))
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
        least, _, inner = value
        begins, empty = _first(list(inner))
        return begins, empty or least == 0
    if kind in (op.AT, op.ASSERT, op.ASSERT_NOT):
        return frozenset(), True
    return byte_set(kind, value), False


@lru_cache(256)
def _tree(pattern: bytes) -> list[Any]:
    return list(_parser.parse(pattern))


class Reach:
    """How far a pattern follows a text from its start, on any of its ways.

    `end` is the offset of the first byte on which no way goes on, `wanted` the sets of bytes that
    would go on there, `ends` where the whole pattern may end.
    """

    def __init__(self, pattern: bytes, text: bytes) -> None:
        self.end = 0
        self.wanted: list[frozenset[int]] = []
        self._text = text
        self.ends = self._sequence(_tree(pattern), {0})

    def _sequence(self, nodes: list[Any], starts: set[int]) -> set[int]:
        for kind, value in nodes:
            if not starts:
                break
            starts = self._node(kind, value, starts)
        return starts

    def _node(self, kind: Any, value: Any, starts: set[int]) -> set[int]:
        if kind is op.BRANCH:
            return set().union(*(self._sequence(list(way), starts) for way in value[1]))
        if kind is op.SUBPATTERN:
            return self._sequence(list(value[3]), starts)
        if kind is op.ATOMIC_GROUP:
            return self._sequence(list(value), starts)
        if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            return self._repeat(value, starts)
        if kind in (op.AT, op.ASSERT, op.ASSERT_NOT):
            return starts
        return self._byte(byte_set(kind, value), starts)

    def _repeat(self, value: Any, starts: set[int]) -> set[int]:
        least, most, inner = value
        ends = set(starts) if least == 0 else set()
        seen = set(starts)
        for turn in range(1, min(int(most), len(self._text) + 1) + 1):
            starts = self._sequence(list(inner), starts)
            if turn > least:
                starts -= seen
            seen |= starts
            if not starts:
                break
            if turn >= least:
                ends |= starts
        return ends

    def _byte(self, wanted: frozenset[int], starts: set[int]) -> set[int]:
        ends = {s + 1 for s in starts if s < len(self._text) and self._text[s] in wanted}
        furthest = max(ends, default=0)
        if furthest > self.end:
            self.end, self.wanted = furthest, []
        if self.end in starts and self.end + 1 not in ends:
            self.wanted.append(wanted)
        return ends


def byte_set(kind: Any, value: Any) -> frozenset[int]:
    """The bytes that a node for one byte matches; all of them where that isn't known."""
    if kind is op.LITERAL:
        return frozenset((value,))
    if kind is op.NOT_LITERAL:
        return _ALL - {value}
    if kind is op.ANY:
        return _ALL - {10}
    if kind is op.IN:
        found: frozenset[int] = frozenset()
        for inner, what in value:
            if inner is op.LITERAL:
                found |= {what}
            elif inner is op.RANGE:
                found |= frozenset(range(what[0], what[1] + 1))
            elif inner is op.CATEGORY:
                found |= _category(what)
        return _ALL - found if value[0][0] is op.NEGATE else found
    return _ALL


@cache  # six of them
def _category(what: Any) -> frozenset[int]:
    letter = {
        op.CATEGORY_DIGIT: rb"\d",
        op.CATEGORY_NOT_DIGIT: rb"\D",
        op.CATEGORY_SPACE: rb"\s",
        op.CATEGORY_NOT_SPACE: rb"\S",
        op.CATEGORY_WORD: rb"\w",
        op.CATEGORY_NOT_WORD: rb"\W",
    }[what]
    return frozenset(b for b in _ALL if re.match(letter, bytes((b,))))


def class_of(found: frozenset[int]) -> str:
    """A set of bytes in words, as `[0-9a-f]`, `any byte` or `anything but "'"`."""
    if len(found) == 1:
        return _shown(min(found), alone=True)
    missing = _ALL - found - {10}
    if not missing:
        return "anything"
    if len(found) > 128:
        return f"anything but {_ranges(missing)}"
    return f"one of {_ranges(found)}"


def _ranges(found: frozenset[int]) -> str:
    shown: list[str] = []
    rest = sorted(found)
    while rest:
        end = 0
        while end + 1 < len(rest) and rest[end + 1] == rest[end] + 1:
            end += 1
        if end < 2:
            shown += [_shown(b) for b in rest[: end + 1]]
        else:
            shown.append(f"{_shown(rest[0])}-{_shown(rest[end])}")
        rest = rest[end + 1 :]
    return f"[{''.join(shown)}]"


def _shown(byte: int, alone: bool = False) -> str:
    if byte == 32:
        return "a blank" if alone else " "
    if not 32 < byte < 127:
        return f"\\x{byte:02x}"
    return f"'{chr(byte)}'" if alone else chr(byte)
