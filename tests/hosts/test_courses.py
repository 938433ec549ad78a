"""The search decides as trying every order of everything does."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hosts import courses
from tests.hosts.courses import Right, contradictions
from tests.hosts.history import Answer, Login

times = st.integers(0, 6).map(float)
users = st.sampled_from(["ann", "bob"])


def login(user: str) -> Login:
    return Login(began=0, ended=0, host="pop1", network="n", user=user, window=0)


@st.composite
def right(draw: st.DrawFn) -> Right:
    may_begin, must_begin = sorted((draw(times), draw(times)))
    may_end, must_end = sorted((draw(times), draw(times)))
    return Right(login(draw(users)), may_begin, must_begin, may_end, max(must_end, may_begin))


@st.composite
def answer(draw: st.DrawFn) -> Answer:
    began, ended = sorted((draw(times), draw(times)))
    word = draw(st.sampled_from(["permit", "none"]))
    user = draw(st.none() | users) if word == "permit" else None
    return Answer(began=began, ended=ended, host="h", network="n", answer=word, user=user)  # type: ignore[arg-type]


Event = tuple[str, int]


def possible(rights: Sequence[Right], answers: Sequence[Answer]) -> bool:
    """Whether some order of all beginnings, ends and answers explains all answers."""
    every = [("begin", i) for i in range(len(rights))]
    every += [("end", i) for i in range(len(rights))]
    every += [("answer", i) for i in range(len(answers))]

    @cache  # most orders come to where another has been
    def some_order(left: frozenset[Event], now: float, holding: frozenset[int]) -> bool:
        if not left:
            return True
        for event in left:
            for earliest, latest, gone, then in _ways(rights, answers, event, left, holding):
                at = max(now, earliest)
                if at <= latest and some_order(left - gone, at, then):
                    return True
        return False

    return some_order(frozenset(every), 0.0, frozenset())


def _ways(
    rights: Sequence[Right],
    answers: Sequence[Answer],
    event: Event,
    left: frozenset[Event],
    holding: frozenset[int],
) -> Iterator[tuple[float, float, frozenset[Event], frozenset[int]]]:
    """Bounds of the event's moment, what is over with it, which rights hold then."""
    what, number = event
    if what == "answer":
        told = answers[number]
        by = {rights[i].login.user for i in holding}
        if told.answer == "permit":
            fits = bool(by) if told.user is None else told.user in by
        else:
            fits = not by
        if fits:
            yield told.began, told.ended, frozenset({event}), holding
        return
    one = rights[number]
    if what == "begin":
        yield one.may_begin, one.must_begin, frozenset({event}), holding | {number}
    elif number in holding:
        yield one.may_end, one.must_end, frozenset({event}), holding - {number}
    elif ("begin", number) in left:  # it ends without having begun
        last = min(one.must_end, one.must_begin)
        yield one.may_end, last, frozenset({event, ("begin", number)}), holding


@settings(max_examples=1500)
@given(st.lists(right(), max_size=3), st.lists(answer(), max_size=4))
def test_a_contradiction_is_found_where_no_order_explains_the_answers(
    rights: list[Right], answers: list[Answer]
) -> None:
    assert (not list(contradictions(rights, answers))) == possible(rights, answers)


@settings(max_examples=300)
@given(st.lists(right(), max_size=3), st.lists(answer(), max_size=4))
def test_without_the_contradictions_the_rest_is_possible(
    rights: list[Right], answers: list[Answer]
) -> None:
    found = list(contradictions(rights, answers))
    assert possible(rights, [a for a in answers if not any(a is one for one in found)])


def test_more_at_once_than_can_be_tried_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courses, "_MOST_COURSES", 50)
    perhaps = Right(login("ann"), 0, 10, 0, 10)
    rights = [replace(perhaps, login=login(f"user{i}")) for i in range(6)]
    answers = [
        Answer(began=1, ended=9, host="h", network="n", answer="permit", user=f"user{i}")
        for i in range(6)
    ]
    with pytest.raises(ValueError, match="too much at once"):
        list(contradictions(rights, answers))
