"""Every line of every sample file gives what is written above it, under every prefix.

`tests/samples/dialects/NAME.log`: `#= {json}` or `#= null  why`, then the line. Other lines that
begin with `#` are comments. Where a login is told in two lines, `#= null half` stands above the
first and the login above the second. Lines are read in order with one scanner.

`tests/samples/dialects/NAME.hostile`: templates of lines with places for what a client controls,
`#! login` or `#! never` above each; `tests/fuzz/hostile.py` says how they are written. Every
dialect has both files.
"""

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from poplock.core.events import Event, Failure, Login, Logout
from poplock.dialects import DIALECTS, load
from poplock.dialects.line import SYSLOG, canonical
from poplock.dialects.model import Body, Dialect, Head
from poplock.dialects.scanner import Scanner
from poplock.wire.lines import LineCutter

SAMPLES = Path(__file__).parent.parent / "samples" / "dialects"
Sample = tuple[dict[str, Any] | None, bytes]
HALF = {"event": "half"}
PREFIX = re.compile(
    rb"(?:[A-Z].{14}|\d{4}-\S+) \S+ (?P<tag>[^ \[:]+)(?:\[(?P<pid>\d+)\])?: (?P<text>.*)"
)
PREFIXES: dict[str, Callable[[bytes, bytes, bytes], bytes]] = {
    "RFC 3164": lambda tag, pid, text: b"Nov 24 10:00:00 mx %b[%b]: %b" % (tag, pid, text),
    "RFC 3164 without pid": lambda tag, pid, text: b"Nov 24 10:00:00 mx %b: %b" % (tag, text),
    "RFC 3339": lambda tag, pid, text: (
        b"2026-11-24T10:00:00.123456+01:00 mx %b[%b]: %b" % (tag, pid, text)
    ),
    "ISO with a blank": lambda tag, pid, text: (
        b"2026-11-24 10:00:00,123 mx.example.org %b[%b]: %b" % (tag, pid, text)
    ),
    "RFC 5424": lambda tag, pid, text: (
        b"<22>1 2026-11-24T10:00:00.123456+01:00 mx %b %b - - %b" % (tag, pid, text)
    ),
    "RFC 5424 with more": lambda tag, pid, text: (
        rb'<22>1 2026-11-24T10:00:00Z mx %b %b ID1 [a@1 b="]\"" c=""][d] '
        b"\xef\xbb\xbf%b" % (tag, pid, text)
    ),
    "as from the journal": lambda tag, pid, text: canonical(1.8e9, b"mx", tag, pid, text)[:-1],
}
HOSTS = {"ISO with a blank": "mx.example.org"}
"""The host in a prefix, where it isn't the samples' mx."""
every_dialect = pytest.mark.parametrize("name", DIALECTS)


def samples(name: str) -> list[Sample]:
    found: list[Sample] = []
    expected: dict[str, Any] | None = None
    armed = False
    for line in (SAMPLES / f"{name}.log").read_bytes().split(b"\n"):
        if line.startswith(b"#= "):
            text = line[3:].decode()
            if text.startswith("null"):
                expected = HALF if text.split()[1:2] == ["half"] else None
            else:
                expected = json.loads(text)
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


def read(scanner: Scanner, name: str, found: list[Sample]) -> None:
    """Feed the samples; each gives what stands above it."""
    for expected, line in found:
        waiting = dict(scanner.pending._halves)
        events = scanner.feed(line + b"\n", time.time())
        got = [describe(e) for e in events]
        if expected is None or expected == HALF:
            assert got == [], line
            assert expected is None or scanner.pending._halves != waiting, line
        else:
            full = {"ip": None, "tls": None, "session": None, **expected}
            full.pop("dialect", None)
            assert got == [full], line
            assert [e.dialect for e in events] == [name]


@every_dialect
@pytest.mark.parametrize("all_on", [False, True], ids=["alone", "with all others"])
def test_each_sample_line_gives_what_stands_above_it(name: str, all_on: bool) -> None:
    read(Scanner(load(DIALECTS if all_on else [name])), name, samples(name))


@every_dialect
@pytest.mark.parametrize("form", PREFIXES)
def test_each_sample_reads_the_same_under_every_syslog_prefix(name: str, form: str) -> None:
    (dialect,) = load([name])
    tags = {tag for r in dialect.rules if SYSLOG in r.forms for tag in r.tags}
    told_by_pid = any(rule.name == "half" for rule in dialect.rules) or any(
        "[" in (expected.get("session") or "") for expected, _ in samples(name) if expected
    )
    rewritten: list[Sample] = []
    for expected, line in samples(name):
        match = PREFIX.fullmatch(line)
        if match is None or match["tag"] not in tags:
            continue
        pid = match["pid"] or (b"" if told_by_pid else b"77")
        if expected and (session := expected.get("session")):
            expected = {**expected, "session": session.replace("mx[", HOSTS.get(form, "mx") + "[")}
        rewritten.append((expected, PREFIXES[form](match["tag"], pid, match["text"])))
    if told_by_pid and form == "RFC 3164 without pid":
        # Nothing tells connections apart: no login, rather than a wrong one.
        scanner = Scanner([dialect])
        for _, line in rewritten:
            scanner.feed(line + b"\n", time.time())
        return
    read(Scanner([dialect]), name, rewritten)
    assert rewritten or not tags, "no sample with a syslog prefix"


@every_dialect
def test_each_rule_is_hit_and_some_line_is_refused(name: str) -> None:
    (dialect,) = load([name])
    kinds = {expected["event"] for expected, _ in samples(name) if expected}
    assert kinds == {rule.name for rule in dialect.rules}
    assert any(expected is None for expected, _ in samples(name))


@every_dialect
def test_no_line_has_two_readings(name: str) -> None:
    """Each rule alone: at most one of all dialects' rules reads a line."""
    for _, line in samples(name):
        readers = [who for who, alone in _alone() if alone.feed(line + b"\n", time.time())]
        assert len(readers) <= 1, (line, readers)


@cache
def _alone() -> list[tuple[tuple[str, str], Scanner]]:
    """A scanner for each rule, which remembers nothing: what it reads is no half."""
    return [
        ((d.name, rule.name), Scanner([Dialect(d.name, (replace(rule, build=_always),))]))
        for d in load(DIALECTS)
        for rule in d.rules
    ]


def _always(head: Head, body: Body) -> Event:
    """Whatever a rule's patterns match counts as a reading."""
    return Failure(head.time, None, None, "")


def test_samples_read_in_one_stream_however_cut_give_the_same_events() -> None:
    lines = [s for name in DIALECTS for s in samples(name)]
    stream = b"".join(line + b"\n" for _, line in lines)
    expected = sum(e is not None and e != HALF for e, _ in lines)
    for size in (1, 2, 3, 7, 4096, len(stream)):
        cutter, scanner = LineCutter(), Scanner(load(DIALECTS))
        blocks = (cutter.feed(stream[i : i + size]) for i in range(0, len(stream), size))
        events = [e for block in blocks for e in scanner.feed(block, time.time())]
        assert len(events) == expected


@every_dialect
def test_no_line_of_another_program_is_an_event(name: str) -> None:
    """The same text from a program with another tag is nobody's login."""
    (dialect,) = load([name])
    scanner = Scanner([dialect])
    tags = {tag for rule in dialect.rules if SYSLOG in rule.forms for tag in rule.tags}
    for _, line in samples(name):
        match = PREFIX.fullmatch(line)
        if match is not None and match["tag"] in tags:
            forged = line[: match.start("tag")] + b"postfix/smtpd[12]: " + match["text"]
            assert scanner.feed(forged + b"\n", time.time()) == [], forged
