"""`poplock parse --explain LINE`: why a line is a login or isn't."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from ..core.errors import PoplockError
from ..core.events import Login
from ..core.grants import Grant
from ..core.policy import Policy
from ..dialects.explain import Attempt, Explanation, explain
from ..dialects.model import Dialect
from ..office import stamp
from .common import cell

_PLACE = re.compile(r"(.+):(\d{1,12})")
_WIDTH = 90  # columns of a line that are shown around the place where it stops
_OTHERS = 4  # rules that are named beside the one that got furthest


def line_of(text: str) -> bytes:
    """The line that `--explain` means: `-`, `FILE:NUMBER`, or the text itself."""
    if text == "-":
        return sys.stdin.buffer.readline().rstrip(b"\n")
    place = _PLACE.fullmatch(text)
    if place is None or not Path(place[1]).is_file():
        return text.encode(errors="surrogateescape").rstrip(b"\n")
    try:
        with Path(place[1]).open("rb") as file:
            for number, line in enumerate(file, start=1):
                if number == int(place[2]):
                    return line.rstrip(b"\n")
    except OSError as error:
        raise PoplockError(f"cannot read {place[1]}: {error.strerror}") from error
    raise PoplockError(f"{place[1]} has no line {place[2]}")


def show(
    line: bytes, dialects: Sequence[Dialect], policy: Policy, now: float, as_json: bool
) -> bool:
    """Print the explanation; whether the line is an event."""
    found = explain(line, dialects, now)
    decided = _decided(found, policy, now)
    if as_json:
        click.echo(msgspec.json.encode(_row(found, decided)).decode())
    else:
        click.echo("\n".join(_text(found, decided)))
    return found.event is not None


def _decided(found: Explanation, policy: Policy, now: float) -> str | None:
    """What the policy makes of it."""
    event = found.event
    if event is None:
        return None
    decision = policy.decide(event, now)
    if isinstance(decision, Grant):
        return f"{decision.network} may relay until {stamp(decision.expires_at)}"
    why = getattr(decision, "why", None)
    if why is None:
        return "the session ends: the window begins"
    return f"nothing: {why}" if isinstance(event, Login) else str(why)


def _row(found: Explanation, decided: str | None) -> dict[str, object]:
    event, best = found.event, found.attempts[0] if found.attempts else None
    return {
        "line": _shown(found.line),
        "stamp": _shown(found.stamp),
        "time": None if found.time is None else stamp(found.time),
        "host": _shown(found.host),
        "tag": _shown(found.tag),
        "pid": _shown(found.pid),
        "dialects": list(dict.fromkeys(a.dialect for a in found.attempts)),
        "dialect": best.dialect if best else None,
        "rule": best.rule.name if best else None,
        "words": best is not None and best.words is not None,
        "read_to": None if best is None else best.end,
        "wanted": [] if best is None or best.body else best.wanted,
        "event": None if event is None else type(event).__name__.lower(),
        "ip": None if event is None or event.ip is None else str(event.ip),
        "user": None if event is None else event.user,
        "service": None if event is None else event.service,
        "tls": None if event is None else event.tls,
        "session": None if event is None else event.session,
        "why": found.why or None,
        "elsewhere": found.elsewhere,
        "policy": decided,
    }


def _shown(text: bytes | None) -> str | None:
    return None if text is None else text.decode(errors="replace")


def _text(found: Explanation, decided: str | None) -> list[str]:
    event, lines = found.event, []

    def say(name: str, what: str) -> None:
        lines.append(f"{name:9} {what}")

    if found.stamp is not None:
        moment = "names no moment" if found.time is None else f"read as {stamp(found.time)}"
        say("stamp", f"{cell(_shown(found.stamp))}  {moment}")
    if found.host:
        say("host", cell(_shown(found.host)))
    if found.tag:
        pid = f"  process {_shown(found.pid)}" if found.pid else ""
        say("program", f"{cell(_shown(found.tag))}{pid}")
    if found.attempts:
        say("heard by", ", ".join(dict.fromkeys(a.dialect for a in found.attempts)))
        lines += _attempts(found)
    if event is not None:
        say(type(event).__name__.lower(), f"by {event.dialect}")
        tls = {True: "yes", False: "no", None: "not told"}[event.tls]
        for name, value in (
            ("address", None if event.ip is None else str(event.ip)),
            ("user", event.user),
            ("service", event.service),
            ("tls", tls),
            ("session", event.session),
        ):
            say(name, "not told" if value is None else cell(value))
        say("policy", decided or "")
    else:
        say("no event", found.why)
        if found.elsewhere:
            say(
                "", f"its text would be read by {', '.join(found.elsewhere)}: is the program's name"
            )
            say("", "another one here? A [[dialect]] with that tag would read it")
    return lines


def _attempts(found: Explanation) -> list[str]:
    """How far the best rule got, under the line, and the others in words."""
    best = found.attempts[0]
    lines = [f"{'tried':9} {_name(best)}{': read to the end' if best.body else ''}"]
    if not best.body:
        lines += _caret(found.line, best)
    others = [a for a in found.attempts[1:] if a.words is not None][:_OTHERS]
    lines += [f"{'':9} {_name(a)}: {'read too' if a.body else 'stops earlier'}" for a in others]
    return lines


def _name(attempt: Attempt) -> str:
    return f"{attempt.dialect}'s {attempt.rule.name}"


def _caret(line: bytes, best: Attempt) -> list[str]:
    """The line around the place where the pattern stops, a mark under it, what was expected."""
    shown = "".join(chr(b) if 32 <= b < 127 else "·" for b in line)
    start = max(best.end - _WIDTH * 2 // 3, 0)
    lines = [f"{'':9} {shown[start : start + _WIDTH]}", f"{'':9} {' ' * (best.end - start)}^"]
    if best.wanted:
        lines.append(f"{'':9} expected here: {', or '.join(best.wanted)}")
    return lines
