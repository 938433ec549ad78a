r"""Finds events in blocks of log lines.

One pattern goes over the block: a literal newline, which the engine finds far faster than `^` in
each line, then what a line begins with (`line.Form`), an alternation of the enabled programs'
tags, and one of the words that their interesting lines begin with. Most lines end at the tag. Of
what is found, tag and words together name the rule; its body must then reach exactly to the line's
end.

A line that two rules of different names read is told by neither. A line that begins like a rule and
then reads otherwise is counted, never guessed at.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from ..core.events import Event
from .line import STAMP, Form, Read, Stamps
from .model import Body, Dialect, Head, Rule
from .pending import Pending
from .shape import Reach, first_bytes

_TAG = rb"(?P<tag>)"
_NAME = re.compile(rb"\(\?P<\w+>")
_NOT_BSD = rb"(?![A-Z].{14} )"  # a line with RFC 3164's stamp can't begin in an unusual way
_MOST_REMEMBERED = 1024  # combinations of tag and words; there are a few dozen

Known = tuple[Rule, str]  # a rule and its dialect's name
_Likely = tuple[Known | None, list[Known]]
"""The one rule whose words they are and nobody else's, or all that they may belong to."""


class _Begin:
    """One way in which lines begin, and who listens there."""

    def __init__(self, places: tuple[int, ...], read: Read, rules: list[Known]) -> None:
        self.places = places  # groups: stamp, host, tag, pid, procid, words
        self.stamps = Stamps(read)
        self._rules = rules
        self.known: dict[tuple[bytes, bytes], _Likely] = {}

    def find(self, tag: bytes, words: bytes) -> "_Likely":
        """The rules that may read what goes on like this; `tag` is b"" in forms without one."""
        if len(self.known) >= _MOST_REMEMBERED:
            self.known.clear()
        several, exact = [], False
        for rule, dialect in self._rules:
            if not tag or tag in rule.tags:
                how = _how(rule, words)
                if how is not None:
                    several.append((rule, dialect))
                    exact = how
        found = self.known[tag, words] = (
            several[0] if len(several) == 1 and exact else None,
            several,
        )
        return found


class Scanner:
    """Reads with the rules of some dialects. One for each source: it remembers."""

    def __init__(self, dialects: Iterable[Dialect]) -> None:
        self._begins: dict[int, _Begin] = {}  # by the group of their words, the last of a match
        self.line = line = self._compose(dialects)
        """The pattern of a line's beginning that could tell something."""
        self._first = re.compile(line).match
        self._others = re.compile(rb"\n" + line).finditer
        self.pending = Pending()
        """First halves of logins told in two lines; they belong to the source's position."""
        self.skipped = 0
        """Lines that begin like a login and can't be read as one."""

    def _compose(self, dialects: Iterable[Dialect]) -> bytes:
        """The pattern of all lines that could tell something."""
        begins: dict[bytes, tuple[Form, list[Known]]] = {}
        for dialect in dialects:
            for rule in dialect.rules:
                for form in rule.forms:
                    for begin in form.begins:
                        begins.setdefault(begin, (form, []))[1].append((rule, dialect.name))
        usual = [begin for begin in begins if begin.startswith(STAMP)]
        shared: list[bytes] = []  # what stands behind the stamp that most logs begin with
        others: list[bytes] = []
        count = 1  # groups so far: that stamp
        for begin in sorted(begins, key=lambda begin: begin not in usual):
            form, rules = begins[begin]
            tags = _one_of({tag for rule, _ in rules for tag in rule.tags})
            text = begin.removeprefix(STAMP).replace(_TAG, rb"(?P<tag>" + tags + rb")")
            groups = re.compile(text)
            places = {name: count + n for name, n in groups.groupindex.items()}
            words = b"|".join(dict.fromkeys(rule.words for rule, _ in rules))
            if begin in usual and "tag" not in places:  # not thought of beyond a letter
                text += rb"(?=" + first_bytes(words) + rb")"
            count += groups.groups + 2
            text = _NAME.sub(b"(", text) + rb"()(" + words + rb")"
            (shared if begin in usual else others).append(text)
            names = ("host", "tag", "pid", "procid")
            self._begins[count] = _Begin(
                (places.get("stamp", 1), *(places.get(name, count - 1) for name in names), count),
                form.read,
                rules,
            )
        usual_lines = _NAME.sub(b"(", STAMP) + _any(shared) if shared else rb"(?!)()"
        if not others:
            return usual_lines
        return rb"(?:" + usual_lines + rb"|" + _NOT_BSD + _any(others) + rb")"

    def feed(self, block: bytes, now: float, *, live: bool = True) -> list[Event]:
        """The events in whole lines. `now` by the wall clock, for stamps without a year."""
        return [event for _, event in self.places(block, now, live=live)]

    def places(
        self,
        block: bytes,
        now: float,
        *,
        live: bool = True,
        missed: Callable[[int], None] | None = None,
    ) -> Iterator[tuple[int, Event]]:
        """Events with the offsets of their lines; `missed` gets those of unreadable ones."""
        first = self._first(block)
        for found in chain((first,) if first else (), self._others(block)):
            begin = self._begins[found.lastindex or 0]
            stamp, host, tag, pid, procid, words = found.group(*begin.places)
            alone, several = begin.known.get((tag, words)) or begin.find(tag, words)
            if alone is not None:
                rule, dialect = alone
                body, sure = rule.pattern.match(block, found.end()), rule.sure
            elif not several:
                continue
            else:
                start = found.end() - len(words)
                rule, dialect, words, body, sure = _choose(several, block, start)
            event = None
            if body is not None:
                time = begin.stamps.read(stamp, now, live)
                if time is not None:
                    head = Head(time, host, tag, pid or procid or b"", words, self.pending)
                    try:
                        event = rule.build(head, body)
                    except ValueError:  # no address, or not UTF-8
                        event = None
                sure = sure and rule.name != "half"
            if event is not None:
                event.dialect = dialect
                yield found.start() + (found is not first), event
            elif sure:
                self.skipped += 1
                if missed is not None:
                    missed(found.start() + (found is not first))


def _choose(
    several: list[Known], block: bytes, start: int
) -> tuple[Rule, str, bytes, Body | None, bool]:
    """The one rule that reads the line, its words and body; the body is None where none does,
    or more than one. Last, whether the line should have been read."""
    readings, sure = [], False
    for rule, dialect in several:
        begun = rule.beginning.match(block, start)
        if begun is None:
            continue
        body = rule.pattern.match(block, begun.end())
        if body is not None:
            readings.append((rule, dialect, begun[0], body, rule.sure))
        sure = sure or rule.sure
    if len(readings) == 1:
        return readings[0]
    return *several[0], b"", None, sure or len(readings) > 1


def _one_of(words: Iterable[bytes]) -> bytes:
    """A pattern of these words as a tree of their letters: most lines fail at the first."""
    begins: dict[bytes, set[bytes]] = {}
    for word in words:
        begins.setdefault(word[:1], set()).add(word[1:])
    may_end = begins.pop(b"", None) is not None
    ways = [re.escape(letter) + _one_of(rest) for letter, rest in sorted(begins.items())]
    if may_end:
        return rb"(?:" + b"|".join(ways) + rb")?" if ways else b""
    return _any(ways)


def _any(patterns: list[bytes]) -> bytes:
    """One of these; a choice of one would cost something for nothing."""
    return patterns[0] if len(patterns) == 1 else rb"(?:" + b"|".join(patterns) + rb")"


def _how(rule: Rule, words: bytes) -> bool | None:
    """How a rule's own words go with these, which may be those of another that begin alike.

    True: they are the same and nothing more could follow; None: they can't stand here.
    """
    reach = Reach(rule.words, words)
    if reach.ends == {len(words)} and reach.wanted == []:
        return True
    return False if reach.ends or reach.end == len(words) else None
