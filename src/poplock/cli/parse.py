"""`poplock parse`: what the dialects see in a log."""

import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from ..config import Config, load_config
from ..core.errors import PoplockError
from ..core.events import Event, Login, Logout
from ..core.policy import Policy
from ..dialects import DIALECTS, NAMED_ONLY, load
from ..dialects.model import Dialect
from ..dialects.scanner import Scanner
from ..net.interfaces import own_addresses
from ..office import stamp
from ..wire.lines import LineCutter
from .common import DEFAULT_CONFIG, cell, json_option

_BLOCK = 262_144  # bytes read at a time
_MOST_SHAPES = 1000  # shapes of near misses that are told apart
_SHOWN_SHAPES = 10

_SAMPLE = 1_048_576  # bytes of the log that each dialect is timed on
_ROUNDS = 3

# A line about a login, whoever wrote it: what an operator would search for.
_HINT = re.compile(
    rb"\n([^\n]*(?:[Ll]og(?:in|ged [io]n)|LOGIN|Logon|uthenticat|uthorized|AUTH\b|APOP\b"
    rb"|locked and ready|maildrop|SUCCESSFUL)[^\n]*)"
)
_SHAPE = (
    (re.compile(r"^(?:<\d+>1 )?(?:\w{3} [ \d]\d [\d:]{8}|\d{4}-\S+(?: [\d:.,]{8,})?) \S+ "), ""),
    (re.compile(r"^@[0-9a-f]{24} "), ""),
    (re.compile(r"[\w.+-]+@[\w.-]+"), "NAME"),
    (re.compile(r"<[^<>]*>"), "<…>"),
    (re.compile(r"\b[0-9a-fA-F]*:[0-9a-fA-F:.]+:[0-9a-fA-F.]*|\b\d+(?:\.\d+){3}\b"), "ADDRESS"),
    (re.compile(r"\d+"), "N"),
)
_KINDS = {Login: "login", Logout: "logout"}


class Parse:
    """Reads files in blocks; memory doesn't grow with their size."""

    def __init__(self, dialects: Sequence[Dialect]) -> None:
        self._dialects = dialects
        self.lines = 0
        self.bytes = 0
        self.unreadable = 0
        self.kinds: Counter[str] = Counter()
        self.by_dialect: dict[str, Counter[str]] = {}
        self.sample = b""
        self.shapes: Counter[str] = Counter()

    def read(self, file: BinaryIO) -> Iterator[tuple[int, Event]]:
        """Events with the numbers of their lines, from 1."""
        cutter, scanner = LineCutter(), Scanner(self._dialects)
        first = 1
        while chunk := file.read(_BLOCK):
            self.bytes += len(chunk)
            block = cutter.feed(chunk)
            if len(self.sample) < _SAMPLE:
                self.sample += block
            yield from self._block(scanner, block, first)
            first += block.count(b"\n")
        if cutter.pending:  # a last line without its newline is a line here: nobody writes on
            block = cutter.feed(b"\n")
            yield from self._block(scanner, block, first)
            first += block.count(b"\n")
        self.lines += first - 1 + cutter.skipped
        self.unreadable += cutter.skipped

    def _block(self, scanner: Scanner, block: bytes, first: int) -> Iterator[tuple[int, Event]]:
        number, counted = first, 0
        events: set[int] = set()
        for place, event in scanner.places(block, time.time(), live=False):
            number += block.count(b"\n", counted, place)
            counted = max(place, counted)
            events.add(place)
            self.kinds[_kind(event)] += 1
            self.by_dialect.setdefault(event.dialect, Counter())[_kind(event)] += 1
            yield number, event
        for hint in _HINT.finditer(b"\n" + block):
            if hint.start() not in events:
                self._miss(hint[1])

    def _miss(self, line: bytes) -> None:
        shape = line[:500].decode(errors="replace")
        for pattern, name in _SHAPE:
            shape = pattern.sub(name, shape)
        if shape in self.shapes or len(self.shapes) < _MOST_SHAPES:
            self.shapes[shape] += 1


def _kind(event: Event) -> str:
    return _KINDS.get(type(event), "failure")


@contextmanager
def _open(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(name).open("rb") as file:
            yield file
    except OSError as error:
        raise PoplockError(f"cannot read {name}: {error.strerror}") from error


@click.command("parse")
@click.argument("files", nargs=-1, metavar="FILE...")
@click.option(
    "--dialect",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only this one; may be repeated. All of them if not given.",
)
@click.option(
    "--explain",
    "line",
    metavar="LINE",
    help="Show why a line is a login or isn't: its text, FILE:NUMBER, or - for standard input.",
)
@click.option("--time", "timed", is_flag=True, help="Say how fast each dialect reads this log.")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    envvar="POPLOCK_CONFIG",
    help=f"Whose [[dialect]] and policy hold too; {DEFAULT_CONFIG} if it is there.",
)
@json_option
def command(
    files: tuple[str, ...],
    names: tuple[str, ...],
    line: str | None,
    timed: bool,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Show the logins, logouts and failures in log files; - is standard input.

    One event a line. On standard error follows a summary: the dialects that are in the log, and
    the lines that look like logins and match nothing. Exit status: 0, or 1 where no event was
    found.

    \b
    Examples:
      poplock parse --dialect dovecot /var/log/mail.log
      poplock parse --explain /var/log/mail.log:217
    """
    config = _config(config_path)
    dialects = _dialects(names, config)
    if line is not None:
        from .explain import line_of, show

        own = own_addresses() if config.policy.never_own else None
        policy = Policy(config.policy.rules(), own)
        raise SystemExit(not show(line_of(line), dialects, policy, time.time(), as_json))
    if not files:
        raise click.UsageError("which FILE? - is standard input")
    parse = Parse(dialects)
    encode = msgspec.json.Encoder().encode
    write = sys.stdout.write
    for name in files:
        with _open(name) as file:
            for number, event in parse.read(file):
                if as_json:
                    write(encode(_row(name, number, event)).decode() + "\n")
                else:
                    write(_text(number, event, f"{name}:" if len(files) > 1 else "") + "\n")
    _summary(parse)
    if timed:
        _times(dialects, parse.sample)
    raise SystemExit(0 if parse.kinds else 1)


def _config(path: Path | None) -> Config:
    """The configuration that was named, else the usual one if this account may read it."""
    if path is not None:
        return load_config(path)
    usual = Path(DEFAULT_CONFIG)
    return load_config(usual) if os.access(usual, os.R_OK) else Config()


def _dialects(names: tuple[str, ...], config: Config) -> list[Dialect]:
    own = config.own_dialects()
    for name in names:
        if name not in DIALECTS and name not in own:
            known = ", ".join((*DIALECTS, *own))
            raise click.BadParameter(f"no {name!r}; there are {known}", param_hint="--dialect")
    return load(names or (*DIALECTS, *own), own)


def _row(name: str, number: int, event: Event) -> dict[str, object]:
    return {
        "file": name,
        "line": number,
        "event": _kind(event),
        "time": stamp(event.time),
        "ip": None if event.ip is None else str(event.ip),
        "user": event.user,
        "service": event.service,
        "tls": event.tls,
        "session": event.session,
        "dialect": event.dialect,
    }


def _text(number: int, event: Event, prefix: str) -> str:
    tls = {True: "tls", False: "plain", None: "-"}[event.tls]
    ip = "-" if event.ip is None else str(event.ip)
    return (
        f"{prefix}{number:<7} {stamp(event.time)} {_kind(event):7} {event.service:5} {tls:5} "
        f"{ip:15} {cell(event.user)}"
    )


def _summary(parse: Parse) -> None:
    seen = _counts(parse.kinds) or "no event"
    click.echo(f"{parse.lines} lines: {seen}", err=True)
    by = sorted(parse.by_dialect.items(), key=lambda item: -item[1].total())
    for name, kinds in by:
        named = "  (read only where a source names it)" if name in NAMED_ONLY else ""
        click.echo(f"  {name:12} {_counts(kinds)}{named}", err=True)
    if parse.unreadable:
        click.echo(f"{parse.unreadable} lines were too long and were passed over", err=True)
    if parse.shapes:
        missed = sum(parse.shapes.values())
        click.echo(f"{missed} lines look like logins and match nothing:", err=True)
        for shape, count in parse.shapes.most_common(_SHOWN_SHAPES):
            click.echo(f"{count:7} × {cell(shape)[:150]}", err=True)
        if len(parse.shapes) > _SHOWN_SHAPES:
            click.echo(f"        and {len(parse.shapes) - _SHOWN_SHAPES} shapes more", err=True)
        click.echo("poplock parse --explain FILE:NUMBER says why.", err=True)


def _counts(kinds: Counter[str]) -> str:
    return ", ".join(f"{n} {kind}{'s' * (n != 1)}" for kind, n in sorted(kinds.items()))


def _times(dialects: Sequence[Dialect], sample: bytes) -> None:
    """Each dialect alone over the log's beginning, the slowest first."""
    lines = sample.count(b"\n")
    click.echo(f"Each alone over {lines} lines, the slowest first:", err=True)
    took = {dialect.name: _seconds(Scanner([dialect]), sample) for dialect in dialects}
    for name, seconds in sorted(took.items(), key=lambda item: -item[1]):
        rate = f"{lines / seconds:>12,.0f} lines a second" if seconds else "too fast to tell"
        click.echo(f"  {name:12} {rate}", err=True)


def _seconds(scanner: Scanner, sample: bytes) -> float:
    """Processor time for the sample, the least of some rounds."""
    least = float("inf")
    for _ in range(_ROUNDS):
        start = time.process_time()
        scanner.feed(sample, time.time(), live=False)
        least = min(least, time.process_time() - start)
    return least
