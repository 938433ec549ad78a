r"""No form in which lines begin makes a line easier to forge.

The hostile lines of all dialects get another beginning: each kind of stamp, RFC 5424 with the
client's text in its structured data (escaped, as the RFC demands), and multilog's labels, for which
the dialects are told to read that form. What the dialects' own harnesses ask holds here as well.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

from poplock.core.events import Login
from poplock.dialects import DIALECTS, load
from poplock.dialects.line import OWN, SYSLOG, TAI64N, TAI64N_TAG, Form
from poplock.dialects.model import Dialect
from poplock.dialects.scanner import Scanner

from .dialects import check
from .hostile import SYSLOG_LINE, Template, of_dialect, pieces_of, text

_BLOCK = 500  # inputs scanned at once
_OWN_LINE = re.compile(
    rb"(?:[A-Z][a-z]{2} \d\d [\d:]{8}|\d{4}-\S+(?: [\d:]{8},\d+)?) (.*)", re.DOTALL
)
_ISO = b"2026-11-24 10:00:00,123"
_STAMPS = (b"Nov 24 10:00:00", b"2026-11-24T10:00:00.25+01:00", b"2026-11-24T10:00:00Z", _ISO)
_LABEL = b"@4000000065a1b2c3075bcd15 "

Begin = Callable[[bytes, bytes, bytes], bytes]
"""From host, tag and process id (b"" where the line has none) to how a line begins."""


def _tagged(stamp: bytes) -> Begin:
    return lambda host, tag, pid: b"%b %b %b%b: " % (stamp, host, tag, pid and b"[%b]" % pid)


def _rfc_5424(data: bytes) -> Begin:
    """`%s` in the structured data is the client's."""
    return lambda host, tag, pid: (
        b"<22>1 2026-11-24T10:00:00Z %b %b %b - %b " % (host, tag, pid or b"-", data)
    )


_BEGINS: dict[str, tuple[Form, tuple[Begin, ...]]] = {
    "rfc3164": (SYSLOG, (_tagged(_STAMPS[0]),)),
    "rfc3339": (SYSLOG, (_tagged(_STAMPS[1]), _tagged(_STAMPS[2]))),
    "iso": (SYSLOG, (_tagged(_ISO),)),
    "rfc5424": (
        SYSLOG,
        (
            *(_rfc_5424(b"-"), _rfc_5424(b"- \xef\xbb\xbf")),
            *(_rfc_5424(b'[a b="%s"]'), _rfc_5424(b'[a b="%s" c="%s"][d][e f="%s"]')),
        ),
    ),
    "own": (OWN, tuple(lambda *_, stamp=stamp: stamp + b" " for stamp in _STAMPS)),
    "tai64n": (TAI64N, (lambda *_: _LABEL,)),
    "tai64n_tag": (
        TAI64N_TAG,
        (lambda _, tag, pid: b"%b%b%b: " % (_LABEL, tag, pid and b"[%b]" % pid),),
    ),
}
NAMES = tuple(_BEGINS)


def harness(name: str) -> Callable[[Random, int], None]:
    """The harness of one form."""

    def run(random: Random, count: int) -> None:
        form, begins = _BEGINS[name]
        scanner = Scanner(_reading(form))
        found = [t for begin in begins for t in _begun(form, begin) if _is_read(scanner, t)]
        assert sum(not t.never for t in found) >= len(begins), f"{name}: no login to forge"
        parts = pieces_of(found)
        while count > 0:
            template = random.choice(found)
            inputs = [_filled(random, template, parts) for _ in range(min(_BLOCK, count))]
            count -= len(inputs)
            check(scanner, template, b"".join(inputs))

    return run


def _filled(random: Random, template: Template, parts: list[bytes]) -> bytes:
    """One input; what stands in structured data is escaped."""
    user, others = text(random, parts), [text(random, parts) for _ in range(3)]
    lines = tuple(
        re.sub(rb'"%s"(?=[] ])', lambda _: b'"%b"' % _in_quotes(random.choice(others)), line)
        for line in template.lines
    )
    return Template(template.never, lines).fill(user, others)


def _in_quotes(value: bytes) -> bytes:
    """RFC 5424, 6.3.3. A `%s` of the client's own is none of the template's."""
    return re.sub(rb'(["\\\]])', rb"\\\1", value).replace(b"%", b"")


def _reading(form: Form) -> list[Dialect]:
    """All dialects; those that read lines with or without a tag read them in this form."""
    usual = {TAI64N: OWN, TAI64N_TAG: SYSLOG}.get(form, form)
    return [
        replace(
            dialect,
            rules=tuple(
                replace(rule, forms=(form,) if usual in rule.forms else rule.forms)
                for rule in dialect.rules
            ),
        )
        for dialect in load(DIALECTS)
    ]


def _begun(form: Form, begin: Begin) -> Iterator[Template]:
    """The templates whose lines can have this beginning, with it."""
    tagged = form in (SYSLOG, TAI64N_TAG)
    line_of = SYSLOG_LINE if tagged else _OWN_LINE
    for name in DIALECTS:
        for template in of_dialect(name):
            matches = [line_of.fullmatch(line) for line in template.lines]
            parts = [match.groups(b"") for match in matches if match is not None]
            if len(parts) == len(matches):
                heads = (begin(*p[:3]) if tagged else begin(b"", b"", b"") for p in parts)
                lines = tuple(h + p[-1] for h, p in zip(heads, parts, strict=True))
                yield Template(template.never, lines)


def _is_read(scanner: Scanner, template: Template) -> bool:
    """Whether it is one of these lines: a login whose client writes a plain name is read."""
    block = template.fill(b"ann", [b"x"])
    return template.never or any(
        isinstance(event, Login) for event in scanner.feed(block, time.time())
    )
