r"""Finds events in blocks of log lines.

One pattern goes over the block: a literal newline, which the engine finds far faster than `^` in
each line, then stamp, host, an alternation of the enabled programs' tags, and one of the words
that their interesting lines begin with. Tag and words together name the rule; its body must then
reach exactly to the line's end.

No two rules of a program share words (a test over all samples sees to it), so a line has one
reading. A line that begins like a rule and then reads otherwise is counted, never guessed at.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from ..core.events import Event
from .line import HOST, PID, STAMP, Stamps
from .model import Dialect, Rule

_MOST_REMEMBERED = 1024  # combinations of tag and words; there are a few dozen


class Scanner:
    """Reads with the rules of some dialects. One for each source: stamps are remembered."""

    def __init__(self, dialects: Iterable[Dialect]) -> None:
        self._rules = [(rule, dialect.name) for dialect in dialects for rule in dialect.rules]
        tags = b"|".join(sorted({re.escape(t) for rule, _ in self._rules for t in rule.tags}))
        words = b"|".join(dict.fromkeys(rule.words for rule, _ in self._rules))
        # Most lines end at the tag. Only then would a server's own log be thought of: not at all
        # where none has any, and not beyond a letter else.
        tag = HOST + rb"(" + tags + rb")" + PID
        letters = b"".join({rule.own_log for rule, _ in self._rules})
        own = rb"|(?=[" + re.escape(letters) + rb"])" if letters else b""
        line = rb"(" + STAMP + rb") (?:" + tag + own + rb")(" + words + rb")"
        self._first = re.compile(line).match
        self._others = re.compile(rb"\n" + line).finditer
        self._which: dict[tuple[bytes | None, bytes], tuple[Rule, str] | None] = {}
        self._stamps = Stamps()
        self.skipped = 0
        """Lines that begin like a login and can't be read as one."""

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
        which = self._which
        first = self._first(block)
        for found in chain((first,) if first else (), self._others(block)):
            stamp, tag, words = found.groups()
            try:
                known = which[tag, words]
            except KeyError:
                known = self._find(tag, words)
            if known is None:
                continue
            rule, dialect = known
            event = None
            body = rule.pattern.match(block, found.end())
            if body is not None:
                time = self._stamps.read(stamp, now, live)
                if time is not None:
                    try:
                        event = rule.build(time, tag or b"", words, body)
                    except ValueError:  # no address, or not UTF-8
                        event = None
            if event is not None:
                event.dialect = dialect
                yield found.start(1), event
            elif rule.sure:
                self.skipped += 1
                if missed is not None:
                    missed(found.start(1))

    def _find(self, tag: bytes | None, words: bytes) -> tuple[Rule, str] | None:
        """The rule for these; None where the words are those of another program."""
        known = None
        for rule, dialect in self._rules:
            listens = bool(rule.own_log) if tag is None else tag in rule.tags
            if listens and re.fullmatch(rule.words, words):
                known = (rule, dialect)
                break
        if len(self._which) >= _MOST_REMEMBERED:
            self._which.clear()
        self._which[tag, words] = known
        return known
