"""No line, however long and hostile, makes a rule's pattern go back and forth over it.

The engine tries all ways of sharing a text between repetitions that could each take it. So, by the
pattern's own tree and not by the clock:

1. what repeats without a bound is one byte of a class, stands in no other repetition, and there is
   one on each way through the pattern;
2. where a repetition stands within another, only one way leads through a text: each turn of the
   outer one begins with a byte that the inner one can't take, or the inner one stands between two
   bytes that it can't take.

A possessive repetition gives nothing back, so it may be anything.
"""

from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from poplock.dialects import DIALECTS, load
from poplock.dialects.model import Rule
from poplock.dialects.shape import byte_set

REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT)
GIVEN_BACK_FREELY = 4
"""Turns of an outer repetition that cost nothing worth a rule."""


def rules() -> list[Any]:
    return [
        pytest.param(rule, id=f"{dialect.name} {rule.name} {number}")
        for dialect in load(DIALECTS)
        for number, rule in enumerate(dialect.rules)
    ]


def complaints(pattern: bytes) -> list[str]:
    found: list[str] = []
    _sequence(list(_parser.parse(pattern)), None, found)
    return found


def _sequence(nodes: list[Any], outer: frozenset[int] | None, found: list[str]) -> int:
    """Look at a sequence within a repetition whose turns begin with `outer` (None: within none).

    Gives how many repetitions without a bound are on one way through it.
    """
    unbounded = 0
    for place, (kind, value) in enumerate(nodes):
        if kind is op.BRANCH:
            unbounded += max(_sequence(list(way), outer, found) for way in value[1])
        elif kind is op.SUBPATTERN:
            unbounded += _sequence(list(value[3]), outer, found)
        elif kind in (op.ASSERT, op.ASSERT_NOT):
            _sequence(list(value[1]), None, found)  # never gone back into
        elif kind in REPEATS:
            unbounded += _repetition(nodes, place, outer, found)
    if outer is None and unbounded > 1:
        found.append(f"{unbounded} repetitions without a bound on one way")
    return unbounded


def _repetition(
    nodes: list[Any], place: int, outer: frozenset[int] | None, found: list[str]
) -> int:
    _, most, inner = nodes[place][1]
    inner = list(inner)
    single = len(inner) == 1 and inner[0][0] in (op.IN, op.LITERAL, op.NOT_LITERAL, op.ANY)
    endless = most is op.MAXREPEAT
    if endless and not (single and outer is None):
        found.append("a repetition without a bound of more than a byte, or in another")
    if single:
        takes = byte_set(*inner[0])
        if outer is not None and int(most) > 1 and outer & takes and not _fenced(nodes, place):
            found.append(f"a repetition that can take what the next turn begins with: {inner}")
    else:
        turns = _first(inner) if int(most) > GIVEN_BACK_FREELY else outer
        _sequence(inner, turns, found)
    return int(endless)


def _fenced(nodes: list[Any], place: int) -> bool:
    takes = byte_set(*next(iter(nodes[place][1][2])))
    around = (nodes[place - 1] if place else None, (nodes[place + 1 :] or [None])[0])
    return all(n is not None and n[0] is op.LITERAL and n[1] not in takes for n in around)


def _first(nodes: list[Any]) -> frozenset[int]:
    """What a turn can begin with, by its first node that isn't optional."""
    found: frozenset[int] = frozenset()
    for kind, value in nodes:
        if kind in REPEATS:
            found |= _first(list(value[2]))
            if value[0] == 0:
                continue
        elif kind is op.SUBPATTERN:
            found |= _first(list(value[3]))
        elif kind is op.BRANCH:
            found |= frozenset().union(*(_first(list(way)) for way in value[1]))
        else:
            found |= byte_set(kind, value)
        return found
    return found


@pytest.mark.parametrize("rule", rules())
def test_a_rule_has_one_way_through_a_line(rule: Rule) -> None:
    for part in (rule.words, rule.body):
        assert complaints(part) == [], part


@pytest.mark.parametrize(
    "pattern",
    [
        rb"(?:a+)+b",
        rb"(?:[a-z]{1,9} ?){1,50}x",
        rb"(?:a|[ab]{1,9}){1,20}c",
        rb"[^\n]*a[^\n]*b",
        rb"(?:, [^;]{0,99}){0,40}",
    ],
)
def test_patterns_that_go_back_and_forth_are_found(pattern: bytes) -> None:
    assert complaints(pattern) != []


@pytest.mark.parametrize(
    "pattern",
    [
        rb"(?:, [^,]{0,99}){0,40}",
        rb"(?:, (?:<[^<>]{0,99}>|[^<>, ]{0,99})){0,40}",
        rb"a[^\n]{0,99} b[^\n]*",
        rb"(?:[a-z]{1,9}+ ?)*+",
    ],
)
def test_patterns_with_one_way_are_let_pass(pattern: bytes) -> None:
    assert complaints(pattern) == []
