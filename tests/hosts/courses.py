"""Could it have gone so? Decides it for one host and one network.

Given are rights, each with the earliest and latest moment at which it begins and ends at this host,
and answers, each with the moments of question and reply. Wanted is one course of events: for each
right a beginning and an end within its bounds, for each answer a moment between question and reply,
such that some right held at the moment of every permit and none at the moment of every `none`.

It is the search of Wing and Gong with Lowe's just-in-time rule (an answer gets its moment only when
its reply, or a bound that runs out, leaves no later one), over a timed state: which rights have
begun, which have ended. Both are put off until something needs them, which loses nothing: a right
that hasn't begun can begin later, up to its bound, and one that hasn't ended can end later. So what
is left to try is the order of answers that overlap and, for a permit, which right began for it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .history import Answer, Login, Operation

_MOST_COURSES = 20_000
"""More than any history of ours needs; one that does is refused, not passed."""


@dataclass(frozen=True)
class Right:
    """When what a login earned begins and ends to count at one host."""

    login: Login
    may_begin: float
    must_begin: float
    """Unless it has ended before."""
    may_end: float
    must_end: float
    ends_by: Operation | None = None
    """What sets `must_end`, where that isn't the window."""


class Course(NamedTuple):
    """What has become of rights whose time is not over, and which answers had their moment."""

    holds: frozenset[int] = frozenset()
    ended: frozenset[int] = frozenset()
    told: frozenset[int] = frozenset()


_ASKED, _MAY_BEGIN, _MUST_BEGIN, _MUST_END, _REPLIED = range(5)


def contradictions(rights: Sequence[Right], answers: Sequence[Answer]) -> Iterator[Answer]:
    """The answers that no course explains, together with those replied before them.

    One that is found is left out of what follows.
    """
    courses = {Course()}
    possible: set[int] = set()  # rights that may hold now
    waiting: set[int] = set()  # answers between their question and their reply
    for moment, what, number in _moments(rights, answers):
        if what == _ASKED:
            waiting.add(number)
        elif what == _MAY_BEGIN:
            possible.add(number)
        else:
            if waiting:
                courses = _all_from(courses, rights, answers, possible, waiting, moment)
            if what == _MUST_BEGIN:
                courses = {_begun(course, number, possible) for course in courses}
            elif what == _MUST_END:
                possible.discard(number)
                gone = {number}
                courses = {Course(c.holds - gone, c.ended - gone, c.told) for c in courses}
            else:
                explained = {course for course in courses if number in course.told}
                if not explained:
                    yield answers[number]
                waiting.discard(number)
                courses = {
                    course._replace(told=course.told - {number}) for course in explained or courses
                }


def _moments(
    rights: Sequence[Right], answers: Sequence[Answer]
) -> Iterable[tuple[float, int, int]]:
    """What becomes possible, before what becomes impossible at the same moment."""
    moments = []
    for number, right in enumerate(rights):
        if right.may_begin <= right.must_end:
            moments.append((right.may_begin, _MAY_BEGIN, number))
            moments.append((right.must_begin, _MUST_BEGIN, number))
            moments.append((right.must_end, _MUST_END, number))
    for number, answer in enumerate(answers):
        if answer.answer != "unavailable":
            moments.append((answer.began, _ASKED, number))
            moments.append((answer.ended, _REPLIED, number))
    return sorted(moments)


def _begun(course: Course, number: int, possible: set[int]) -> Course:
    if number not in possible or number in course.ended:
        return course
    return course._replace(holds=course.holds | {number})


def _all_from(
    courses: set[Course],
    rights: Sequence[Right],
    answers: Sequence[Answer],
    possible: set[int],
    waiting: set[int],
    moment: float,
) -> set[Course]:
    """These courses, and those in which more of the waiting answers had their moment."""
    found = {_told_as_it_is(course, rights, answers, waiting) for course in courses}
    todo = list(found)
    while todo:
        course = todo.pop()
        for number in waiting - course.told:
            for after in _after(course, rights, answers[number], possible, moment):
                told = _told_as_it_is(after, rights, answers, waiting)
                if told not in found:
                    found.add(told)
                    todo.append(told)
        if len(found) > _MOST_COURSES:
            raise ValueError("too much at once in this history to decide it")
    return found


def _told_as_it_is(
    course: Course, rights: Sequence[Right], answers: Sequence[Answer], waiting: set[int]
) -> Course:
    """What needs no change of the state is told now: waiting longer could win nothing."""
    told = {n for n in waiting - course.told if _fits(course, rights, answers[n])}
    return course._replace(told=course.told | told) if told else course


def _fits(course: Course, rights: Sequence[Right], answer: Answer) -> bool:
    if answer.answer == "none":
        return not course.holds
    return any(_explains(rights[number], answer) for number in course.holds)


def _after(
    course: Course, rights: Sequence[Right], answer: Answer, possible: set[int], moment: float
) -> Iterator[Course]:
    """How the state may change at `moment` to one that this answer fits."""
    if answer.answer == "none":
        if all(rights[number].may_end <= moment for number in course.holds):
            yield course._replace(holds=frozenset(), ended=course.ended | course.holds)
    else:
        for number in possible - course.holds - course.ended:
            if _explains(rights[number], answer):
                yield course._replace(holds=course.holds | {number})


def _explains(right: Right, answer: Answer) -> bool:
    return answer.user is None or right.login.user == answer.user
