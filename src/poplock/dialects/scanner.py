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
from functools import cached_property
from itertools import chain

from ..core.events import Event
from .line import BSD, ISO, Form, Stamps
from .model import Dialect, Head, Rule
from .pending import Pending
from .shape import first_bytes

_TAG = rb"(?P<tag>)"
_GROUP = re.compile(rb"\(\?P<\w+>")


class _Begin:
    """One way in which lines begin, and who listens there."""

    def __init__(self, begin: bytes, form: Form) -> None:
        self.begin = begin
        self.stamps = Stamps(form.read)
        self.rules: list[tuple[Rule, str]] = []
        self.by_tag: dict[bytes, list[tuple[Rule, str]]] = {}

    @cached_property
    def pattern(self) -> bytes:
        """What the beginning looks like, with the tags in their place."""
        tags = sorted({re.escape(tag) for rule, _ in self.rules for tag in rule.tags})
        return self.begin.replace(_TAG, rb"(?P<tag>" + b"|".join(tags) + rb")")

    @cached_property
    def words(self) -> bytes:
        return b"|".join(dict.fromkeys(rule.words for rule, _ in self.rules))

    @cached_property
    def match(self) -> Callable[[bytes, int], re.Match[bytes] | None]:
        """The exact reading of a line's beginning."""
        names = re.compile(self.pattern).groupindex
        missing = (b"(?P<%b>)" % n for n in (b"host", b"tag", b"pid") if n.decode() not in names)
        return re.compile(self.pattern + b"".join(missing)).match

    def listening(self, tag: bytes) -> list[tuple[Rule, str]]:
        """The rules for a tag; all of them where the form has none."""
        if tag not in self.by_tag:
            self.by_tag[tag] = [r for r in self.rules if tag in r[0].tags or not tag]
        return self.by_tag[tag]


class Scanner:
    """Reads with the rules of some dialects. One for each source: it remembers."""

    def __init__(self, dialects: Iterable[Dialect]) -> None:
        begins: dict[bytes, _Begin] = {}
        for dialect in dialects:
            for rule in dialect.rules:
                for form in rule.forms:
                    for begin in form.begins:
                        known = begins.setdefault(begin, _Begin(begin, form))
                        known.rules.append((rule, dialect.name))
        self._begins: dict[int, _Begin] = {}  # by the group that their words are in
        line = self._compose(begins.values())
        self._first = re.compile(line).match
        self._others = re.compile(rb"\n" + line).finditer
        self.pending = Pending()
        """First halves of logins told in two lines; they belong to the source's position."""
        self.skipped = 0
        """Lines that begin like a login and can't be read as one."""

    def _compose(self, begins: Iterable[_Begin]) -> bytes:
        """The pattern of all lines that could tell something. Stamps that many share go first."""
        parts: list[bytes] = []
        group = 0
        for stamp in (BSD, ISO, b""):
            behind: list[bytes] = []
            for begin in begins:
                if begin in self._begins.values() or not begin.begin.startswith(stamp):
                    continue
                text = _GROUP.sub(rb"(?:", begin.pattern.removeprefix(stamp))
                if stamp and _TAG not in begin.begin:  # not thought of beyond a letter
                    text += rb"(?=" + first_bytes(begin.words) + rb")"
                group += re.compile(text).groups + 1
                self._begins[group] = begin
                behind.append(text + rb"(" + begin.words + rb")")
            if behind and stamp:
                parts.append(_GROUP.sub(rb"(?:", stamp) + rb"(?:" + b"|".join(behind) + rb")")
            else:
                parts += behind
        return rb"(?:" + b"|".join(parts) + rb")"

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
            place = found.start() + block.startswith(b"\n", found.start())
            event, sure = self._read(block, place, self._begins[found.lastindex or 0], now, live)
            if event is not None:
                yield place, event
            elif sure:
                self.skipped += 1
                if missed is not None:
                    missed(place)

    def _read(
        self, block: bytes, place: int, begin: _Begin, now: float, live: bool
    ) -> tuple[Event | None, bool]:
        """What the line there tells, and else whether it should have told something."""
        found = begin.match(block, place)
        if found is None:
            return None, False
        stamp, host, tag, pid = found.group("stamp", "host", "tag", "pid")
        start = found.end()
        reading, sure = None, False
        for rule, dialect in begin.listening(tag):
            words = rule.beginning.match(block, start)
            if words is None:
                continue
            sure = sure or rule.sure
            body = rule.pattern.match(block, words.end())
            if body is not None:
                if reading is not None:
                    return None, sure
                reading = rule, dialect, words[0], body
        if reading is None:
            return None, sure
        time = begin.stamps.read(stamp, now, live)
        if time is None:
            return None, sure
        rule, dialect, text, body = reading
        try:
            event = rule.build(Head(time, host, tag, pid or b"", text, self.pending), body)
        except ValueError:  # no address, or not UTF-8
            return None, rule.sure
        if event is not None:
            event.dialect = dialect
        return event, rule.sure and rule.name != "half"
