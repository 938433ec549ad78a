"""Why a line is a login or isn't: what the scanner sees in it, field by field. For people.

The scanner itself only says yes or no, fast. Here each rule is tried alone, with every way on which
its pattern follows the line, so that the place can be shown from which on none does.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..core.events import Event
from .line import SYSLOG, Form, Stamps
from .model import Body, Dialect, Head, Rule
from .pending import Pending
from .scanner import Scanner
from .shape import Reach, class_of

_TAG = rb"(?P<tag>[!-9;-Z\\^-~]{1,255})"
_SHOWN = 4  # ways to go on that are named
_LONGEST = 4000  # bytes of a line that are looked at


@dataclass
class Attempt:
    """One rule on the line's text."""

    dialect: str
    rule: Rule
    words: bytes | None
    """The rule's words, where the text begins with them."""
    body: Body | None
    """The rest of the line, where the pattern reads it to its end."""
    end: int
    """The offset in the line from which on the pattern doesn't follow it."""
    wanted: list[str]
    """What would go on there."""


@dataclass
class Explanation:
    """What was found. Fields are None where the line wasn't read so far."""

    line: bytes
    stamp: bytes | None = None
    time: float | None = None
    host: bytes | None = None
    tag: bytes | None = None
    pid: bytes | None = None
    text: int = 0
    """The offset of the text behind what the line begins with."""
    attempts: list[Attempt] = field(default_factory=list)
    """The rules that listen here, the one that got furthest first."""
    elsewhere: list[str] = field(default_factory=list)
    """Dialects that would read the text if it came from one of their programs."""
    event: Event | None = None
    why: str = ""


def explain(line: bytes, dialects: Sequence[Dialect], now: float) -> Explanation:
    """Look at one line, without its newline."""
    line = line[:_LONGEST]
    found = Explanation(line)
    rules = [(d.name, rule) for d in dialects for rule in d.rules]
    heads = _heads(line, [form for _, rule in rules for form in rule.forms])
    for form, head in heads:
        for dialect, rule in rules:
            tag = head["tag"] if "tag" in head.re.groupindex else None
            if form in rule.forms and (tag is None or tag in rule.tags):
                attempt = _try(dialect, rule, line, head.end())
                # A log without tags is worth a word only if the line could be one of its.
                if tag is not None or attempt.words or len(heads) == 1:
                    found.attempts.append(attempt)
    found.attempts.sort(key=lambda a: (a.body is None, a.words is None, -a.end))
    if not heads:
        found.why = "it begins as no log does that these dialects know: no stamp was found"
        return found
    form, head = _of_best(heads, found.attempts)
    groups = head.groupdict()
    found.stamp, found.text = groups["stamp"], head.end()
    found.host, found.tag = groups.get("host"), groups.get("tag")
    found.pid = groups.get("pid") or groups.get("procid")
    found.time = Stamps(form.read).read(groups["stamp"], now, live=False)
    _judge(found, dialects, rules, now)
    return found


def _heads(line: bytes, forms: list[Form]) -> list[tuple[Form, re.Match[bytes]]]:
    """The forms whose beginning this line has."""
    found = []
    for form in dict.fromkeys((SYSLOG, *forms)):
        for begin in form.begins:
            match = re.match(begin.replace(rb"(?P<tag>)", _TAG), line)
            if match is not None:
                found.append((form, match))
    return found


def _of_best(
    heads: list[tuple[Form, re.Match[bytes]]], attempts: list[Attempt]
) -> tuple[Form, re.Match[bytes]]:
    """The beginning that the rule which got furthest is about; else syslog's."""
    if attempts:
        for form, head in heads:
            if form in attempts[0].rule.forms:
                return form, head
    return heads[0]


def _try(dialect: str, rule: Rule, line: bytes, start: int) -> Attempt:
    text = line[start:].removesuffix(b"\r")
    reach = Reach(rule.whole, text)
    begun = rule.beginning.match(line, start)
    words, body = None, None
    if begun is not None:
        words, body = begun[0], rule.pattern.match(line + b"\n", begun.end())
    wanted = list(dict.fromkeys(class_of(w) for w in reach.wanted))[:_SHOWN]
    if reach.end in reach.ends:
        wanted.append("the end of the line")
    return Attempt(dialect, rule, words, body, start + reach.end, wanted)


def _judge(
    found: Explanation, dialects: Sequence[Dialect], rules: list[tuple[str, Rule]], now: float
) -> None:
    """Say what came of it."""
    events = Scanner(dialects).feed(found.line + b"\n", now, live=False)
    if events:
        found.event = events[0]
        return
    if not found.attempts:
        tag = (found.tag or b"").decode(errors="replace")
        found.why = f"no dialect listens to the program {tag!r}" if tag else "no dialect reads it"
        tries = [_try(name, rule, found.line, found.text) for name, rule in rules if rule.tags]
        found.elsewhere = list(dict.fromkeys(a.dialect for a in tries if a.body))
        return
    readers = [a for a in found.attempts if a.body]
    best = found.attempts[0]
    if len(readers) > 1:
        names = " and ".join(f"{a.dialect}'s {a.rule.name}" for a in readers)
        found.why = f"it has two readings, {names}: so it is neither"
    elif found.time is None and found.stamp is not None:
        found.why = f"its stamp, {found.stamp.decode(errors='replace')!r}, names no moment"
    elif not readers:
        if best.words is not None:
            found.why = f"it begins as a {best.rule.name} of {best.dialect}, but goes on otherwise"
        else:
            found.why = "its text begins with no words of the dialects that listen to this program"
    elif best.rule.name == "half":
        found.why = (
            f"it is the first half of a login that {best.dialect} tells in two lines; it counts"
            " when the second comes"
        )
    else:
        found.why = _refused(
            found, best, any(r.name == "half" for n, r in rules if n == best.dialect)
        )


def _refused(found: Explanation, best: Attempt, halves: bool) -> str:
    """Why a line that reads as it should is no event."""
    parts = (found.host or b"", found.tag or b"", found.pid or b"")
    try:
        if best.words is not None and best.body is not None:
            head = Head(found.time or 0.0, *parts, best.words, Pending())
            best.rule.build(head, best.body)
    except ValueError as error:
        return f"it reads as a {best.rule.name} of {best.dialect}, but: {error}"
    if halves and best.rule.name == "login":
        return (
            f"it reads as the second half of a login of {best.dialect}, whose first half (with the"
            " address) isn't known here: give poplock parse the whole log"
        )
    return (
        f"it reads as a {best.rule.name} of {best.dialect}, which doubts it: something in it is"
        " missing, doubled or contradicts itself"
    )
