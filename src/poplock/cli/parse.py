"""`poplock parse`: what the dialects see in a log."""

import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from ..core.errors import PoplockError
from ..core.events import Event, Login, Logout
from ..dialects import DIALECTS, load
from ..dialects.scanner import Scanner
from ..office import stamp
from ..wire.lines import LineCutter
from .common import cell, json_option

_BLOCK = 262_144  # bytes read at a time
_MOST_SHAPES = 1000  # shapes of near misses that are told apart
_SHOWN_SHAPES = 10

# A line about a login, whoever wrote it: what an operator would search for.
_HINT = re.compile(
    rb"\n([^\n]*(?:[Ll]ogin|LOGIN|[Ll]ogged in|uthenticated|uthentication passed)[^\n]*)"
)
_SHAPE = (
    (re.compile(r"^(?:\w{3} [ \d]\d [\d:]{8}|\d{4}-\S+) \S+ "), ""),
    (re.compile(r"[\w.+-]+@[\w.-]+"), "NAME"),
    (re.compile(r"<[^<>]*>"), "<…>"),
    (re.compile(r"\b[0-9a-fA-F]*:[0-9a-fA-F:.]+:[0-9a-fA-F.]*|\b\d+(?:\.\d+){3}\b"), "ADDRESS"),
    (re.compile(r"\d+"), "N"),
)
_KINDS = {Login: "login", Logout: "logout"}


class Parse:
    """Reads files in blocks; memory doesn't grow with their size."""

    def __init__(self, dialects: tuple[str, ...]) -> None:
        self._dialects = load(dialects)
        self.lines = 0
        self.bytes = 0
        self.unreadable = 0
        self.kinds: Counter[str] = Counter()
        self.by_dialect: Counter[str] = Counter()
        self.shapes: Counter[str] = Counter()

    def read(self, file: BinaryIO) -> Iterator[tuple[int, Event]]:
        """Events with the numbers of their lines, from 1."""
        cutter, scanner = LineCutter(), Scanner(self._dialects)
        first = 1
        while chunk := file.read(_BLOCK):
            self.bytes += len(chunk)
            block = cutter.feed(chunk)
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
            self.by_dialect[event.dialect] += 1
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
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--dialect",
    "dialects",
    multiple=True,
    type=click.Choice(list(DIALECTS)),
    help="Only this one; may be repeated. All of them if not given.",
)
@json_option
def command(files: tuple[str, ...], dialects: tuple[str, ...], as_json: bool) -> None:
    """Show the logins, logouts and failures in log files; - is standard input.

    One event a line. On standard error follows a summary, with the lines that look like logins and
    match nothing. Exit status: 0, or 1 where no event was found.

    \b
    Example:
      poplock parse --dialect dovecot /var/log/mail.log
    """
    parse = Parse(dialects or tuple(DIALECTS))
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
    raise SystemExit(0 if parse.kinds else 1)


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
    seen = ", ".join(f"{n} {kind}s" for kind, n in sorted(parse.kinds.items())) or "no event"
    by = ", ".join(f"{name} {n}" for name, n in parse.by_dialect.most_common())
    click.echo(f"{parse.lines} lines: {seen}{f' ({by})' if by else ''}", err=True)
    if parse.unreadable:
        click.echo(f"{parse.unreadable} lines were too long and were passed over", err=True)
    if parse.shapes:
        missed = sum(parse.shapes.values())
        click.echo(f"{missed} lines look like logins and match nothing:", err=True)
        for shape, count in parse.shapes.most_common(_SHOWN_SHAPES):
            click.echo(f"{count:7} × {cell(shape)[:150]}", err=True)
        if len(parse.shapes) > _SHOWN_SHAPES:
            click.echo(f"        and {len(parse.shapes) - _SHOWN_SHAPES} shapes more", err=True)
