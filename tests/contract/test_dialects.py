"""Every line of every sample file gives what is written above it.

Format of `tests/samples/dialects/NAME.log`: `#= {json}` or `#= null  why`, then the line. Other
lines that begin with `#` are comments.
"""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from poplock.core.events import Event, Login, Logout
from poplock.dialects import DIALECTS, load
from poplock.dialects.scanner import Scanner
from poplock.wire.lines import LineCutter

SAMPLES = Path(__file__).parent.parent / "samples" / "dialects"
Sample = tuple[dict[str, Any] | None, bytes]
every_dialect = pytest.mark.parametrize("name", DIALECTS)


def samples(name: str) -> list[Sample]:
    found: list[Sample] = []
    expected: dict[str, Any] | None = None
    armed = False
    for line in (SAMPLES / f"{name}.log").read_bytes().split(b"\n"):
        if line.startswith(b"#= "):
            text = line[3:].decode()
            expected = None if text.startswith("null") else json.loads(text)
            armed = True
        elif line and not line.startswith(b"#"):
            assert armed, f"no expectation above {line!r}"
            found.append((expected, line))
            armed = False
    return found


def describe(event: Event) -> dict[str, Any]:
    kind = {Login: "login", Logout: "logout"}.get(type(event), "failure")
    return {
        "event": kind,
        "ip": None if event.ip is None else str(event.ip),
        "user": event.user,
        "service": event.service,
        "tls": event.tls,
        "session": event.session,
    }


@every_dialect
@pytest.mark.parametrize("all_on", [False, True], ids=["alone", "with all others"])
def test_each_sample_line_gives_what_stands_above_it(name: str, all_on: bool) -> None:
    scanner = Scanner(load(DIALECTS if all_on else [name]))
    for expected, line in samples(name):
        events = scanner.feed(line + b"\n", time.time())
        got = [describe(e) for e in events]
        if expected is None:
            assert got == [], line
        else:
            full = {"ip": None, "tls": None, "session": None, **expected}
            full.pop("dialect", None)
            assert got == [full], line
            assert [e.dialect for e in events] == [name]


@every_dialect
def test_each_rule_is_hit_and_some_line_is_refused(name: str) -> None:
    (dialect,) = load([name])
    kinds = {expected["event"] for expected, _ in samples(name) if expected}
    assert kinds == {rule.name for rule in dialect.rules}
    assert any(expected is None for expected, _ in samples(name))


@every_dialect
def test_no_line_has_two_readings(name: str) -> None:
    """Each rule alone: at most one of all dialects' rules reads a line."""
    rules = [(rule, d) for d in load(DIALECTS) for rule in d.rules]
    for _, line in samples(name):
        readers = []
        for rule, dialect in rules:
            alone = Scanner([type(dialect)(dialect.name, (rule,))])
            if alone.feed(line + b"\n", time.time()):
                readers.append((dialect.name, rule.name))
        assert len(readers) <= 1, (line, readers)


def test_samples_read_in_one_stream_however_cut_give_the_same_events() -> None:
    lines = [s for name in DIALECTS for s in samples(name)]
    stream = b"".join(line + b"\n" for _, line in lines)
    expected = sum(e is not None for e, _ in lines)
    for size in (1, 2, 3, 7, 4096, len(stream)):
        cutter, scanner = LineCutter(), Scanner(load(DIALECTS))
        blocks = (cutter.feed(stream[i : i + size]) for i in range(0, len(stream), size))
        events = [e for block in blocks for e in scanner.feed(block, time.time())]
        assert len(events) == expected


@every_dialect
def test_no_line_of_another_program_is_an_event(name: str) -> None:
    """The same text from a program with another tag is nobody's login."""
    scanner = Scanner(load([name]))
    for _, line in samples(name):
        prefix, separator, text = line.partition(b": ")
        host, _, _tag = prefix.rpartition(b" ")
        forged = host + b" postfix/smtpd[12]" + separator + text
        if line.count(b" ", 0, len(prefix)) >= 3 or prefix[:4].isdigit():
            assert scanner.feed(forged + b"\n", time.time()) == [], forged
