r"""Whether a pattern can be led astray by what a client writes: the check of `[[dialect]]`.

A pattern is turned into the automaton of its positions (Glushkov): a state for each byte that the
pattern asks for, and which may follow which. Each state knows the named groups that it is in. Two
copies of such an automaton that read the same bytes side by side answer questions about all lines
at once, not about samples:

1. *Two readings.* The pattern beside itself: is there a line that two ways through it read, with a
   group in different places?
2. *Forgery.* The pattern beside the server: the same pattern, but in the place of the user's name,
   and of every other field that holds more than letters and digits, anything at all may stand. Is
   there a line that the server writes with the client's address in one place, and that the pattern
   reads with an address in another? Then the answer is a line that would do it.
   The same is asked of each two patterns of a dialect: what the server writes by one, a refused
   login above all, must not be a login by another.
3. *Open fields.* Up to the address, the byte that ends a field must be none that the field may
   hold. This refuses more than 2. does, but it is what can be seen with the eye.

Bounds of repetitions are taken for endless, which can only find too much, never too little.
"""

from collections import deque
from dataclasses import dataclass, field
from re import _constants as op  # type: ignore[attr-defined]
from typing import Any

from .shape import byte_set

MOST_STATES = 300
"""Bytes that a pattern may ask for: a line of a log has fewer. Pairs of them are looked at."""
ADDRESS_BYTES = frozenset(b"0123456789abcdefABCDEF:.")
_MOST_STEPS = 1_000_000  # of one comparison: a second
_ANY = frozenset(range(256)) - {10}
_PLAIN = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_COPIES = 4  # of a repetition's least number, before it is taken for endless

Label = tuple[int, ...]  # for each group: 0 before, 1 in it, 2 behind


class TooLongError(ValueError):
    """The pattern is more than can be looked through in a second."""


@dataclass
class Automaton:
    """States in the order of the pattern; state 0 is the beginning, asks for nothing."""

    groups: tuple[str, ...]
    bytes: list[frozenset[int]] = field(default_factory=lambda: [frozenset()])
    labels: list[Label] = field(default_factory=list)
    follow: list[set[int]] = field(default_factory=lambda: [set()])
    last: set[int] = field(default_factory=set)
    fields: list[set[int]] = field(default_factory=list)
    """The states of each repetition."""


class _Maker:
    """Walks a parse tree; with `hostile`, what a client may fill becomes anything."""

    def __init__(self, groups: dict[int, str], hostile: bool) -> None:
        self._names = groups
        self._hostile = hostile
        self._order = tuple(groups.values())
        self._label = [0] * len(self._order)
        self.made = Automaton(self._order, labels=[tuple(self._label)])

    def sequence(self, nodes: list[Any], before: set[int]) -> set[int]:
        """Add nodes behind these states; the states that may be the last then."""
        for kind, value in nodes:
            before = self._node(kind, value, before)
        return before

    def _node(self, kind: Any, value: Any, before: set[int]) -> set[int]:
        if kind is op.AT:
            return before
        if kind is op.BRANCH:
            return set().union(*(self.sequence(list(way), before) for way in value[1]))
        if kind is op.SUBPATTERN:
            return self._group(value[0], list(value[3]), before)
        if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
            return self._repeat(value[0], value[1], list(value[2]), before)
        wanted = byte_set(kind, value)
        if kind is op.IN and (op.CATEGORY, op.CATEGORY_NOT_SPACE) in value:
            wanted |= {11}  # a vertical tab is no blank for RE2
        return {self._state(wanted, before)}

    def _state(self, wanted: frozenset[int], before: set[int]) -> int:
        made = self.made
        number = len(made.bytes)
        if number > MOST_STATES:
            raise TooLongError
        made.bytes.append(wanted)
        made.labels.append(tuple(self._label))
        made.follow.append(set())
        for state in before:
            made.follow[state].add(number)
        return number

    def _group(self, number: int | None, inner: list[Any], before: set[int]) -> set[int]:
        name = self._names.get(number or 0)
        if name is None:
            return self.sequence(inner, before)
        place = self._order.index(name)
        self._label[place] = 1
        if name == "user" and self._hostile:
            ends = self._anything(before)
        elif name == "ip" and self._hostile:
            ends = self._true_address(before)
        else:
            ends = self.sequence(inner, before)
        self._label[place] = 2
        return ends

    def _true_address(self, before: set[int]) -> set[int]:
        """Digits, and a dot or colon at least: so it is no port, say."""
        digits = self._state(_PLAIN & ADDRESS_BYTES, before)
        mark = self._state(frozenset(b".:"), before | {digits})
        more = self._state(ADDRESS_BYTES, {mark})
        self.made.follow[digits].add(digits)
        self.made.follow[more].add(more)
        return {mark, more}

    def _anything(self, before: set[int]) -> set[int]:
        state = self._state(_ANY, before)
        self.made.follow[state].add(state)
        return before | {state}

    def _repeat(self, least: int, most: int, nodes: list[Any], before: set[int]) -> set[int]:
        alone = byte_set(*nodes[0]) if len(nodes) == 1 and nodes[0][0] in _ONE_BYTE else _PLAIN
        in_address = any(n == "ip" and self._label[i] == 1 for i, n in enumerate(self._order))
        if self._hostile and most > 1 and not alone <= _PLAIN and not in_address:
            return self._anything(before)
        ends = before
        for _ in range(min(int(least), _COPIES)):
            ends = self.sequence(nodes, ends)
        if most == least:
            return ends
        first = len(self.made.bytes)
        inside = self.sequence(nodes, ends)
        states = set(range(first, len(self.made.bytes)))
        begins = {s for e in ends for s in self.made.follow[e] if s in states}
        if most > 1:
            for state in inside:
                self.made.follow[state] |= begins
        self.made.fields.append(states)
        return ends | inside


_ONE_BYTE = (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN)


def automaton(tree: Any, groups: dict[int, str], *, hostile: bool = False) -> Automaton:
    """The automaton of a parsed pattern whose groups have these names."""
    maker = _Maker(groups, hostile)
    maker.made.last = maker.sequence(list(tree), {0})
    return maker.made


def open_field(made: Automaton) -> frozenset[int] | None:
    """The bytes of a field before the address that may hold the byte that ends it."""
    place = made.groups.index("ip")
    for states in made.fields:
        if any(made.labels[state][place] for state in states):
            continue  # in the address or behind it
        for state in states:
            again = made.follow[state] & states
            ends = made.follow[state] - states
            for end in ends:
                if any(made.bytes[end] & made.bytes[s] for s in again):
                    return frozenset().union(*(made.bytes[s] for s in states))
    return None


def two_readings(one: Automaton, other: Automaton, groups: tuple[str, ...] | None) -> bytes | None:
    """The shortest line that both read, with one of these groups in different places.

    Without groups: the shortest that both read at all.
    """
    places = [(one.groups.index(name), other.groups.index(name)) for name in groups or ()]
    masks, other_masks = _masks(one), _masks(other)
    start = (0, 0, groups is None)
    came: dict[tuple[int, int, bool], tuple[tuple[int, int, bool], int] | None] = {start: None}
    queue = deque([start])
    steps = 0
    while queue:
        here = queue.popleft()
        a, b, differ = here
        if differ and a in one.last and b in other.last:
            return _line(came, here)
        steps += len(one.follow[a]) * len(other.follow[b])
        if steps > _MOST_STEPS:
            raise TooLongError
        for x in one.follow[a]:
            for y in other.follow[b]:
                if not masks[x] & other_masks[y]:
                    continue
                told = differ or any(one.labels[x][i] != other.labels[y][j] for i, j in places)
                there = (x, y, told)
                if there not in came:
                    came[there] = (here, _readable(one.bytes[x] & other.bytes[y]))
                    queue.append(there)
    return None


def _masks(made: Automaton) -> list[int]:
    """Sets of bytes as bits, which meet faster."""
    return [sum(1 << byte for byte in wanted) for wanted in made.bytes]


def _line(came: dict[Any, Any], end: tuple[int, int, bool]) -> bytes:
    found = bytearray()
    step = came[end]
    while step is not None:
        end, byte = step
        found.append(byte)
        step = came[end]
    return bytes(reversed(found))


def _readable(bytes_: frozenset[int]) -> int:
    """A byte to show."""
    for byte in b"1.:" if bytes_ <= ADDRESS_BYTES else b"a x":
        if byte in bytes_:
            return byte
    printable = [b for b in bytes_ if 33 <= b < 127]
    return min(printable or bytes_)
