r"""`[[dialect]]`: a dialect made of the operator's own patterns, for the odd server.

A pattern stands for the whole text behind a line's beginning, `^` to `$`, with named groups: `ip`,
`user`, `session`, `service`. It is matched by google-re2, in time linear in the line's length
whatever the pattern. It is refused if it could be led astray: see `readings`. That looks at the
tree which Python's parser makes, so what the two engines read differently is refused as well.
"""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any, Protocol, cast

from ..core.events import Event, Failure, Login, Logout
from .line import OWN, SYSLOG, TAI64N, TAI64N_TAG, Form
from .model import Body, Build, Head, Rule, address
from .readings import ADDRESS_BYTES, TooLongError, automaton, open_field, two_readings
from .shape import byte_set, class_of

FORMS: Mapping[str, tuple[Form, ...]] = {
    "syslog": (SYSLOG,),
    "own": (OWN,),
    "multilog": (TAI64N,),
    "multilog-tag": (TAI64N_TAG,),
}
NEEDED = {"login": ("ip", "user"), "logout": ("session",), "failure": ("ip",)}
"""Groups that each line must have, by what it tells."""
_KNOWN = ("ip", "user", "session", "service")
_LONGEST = 2000  # characters of a pattern
_TOO_LONG = "too long or too intricate to be looked through; make two simpler ones of it"
_LINE = 2000  # bytes of a line that is still read: what a login says is shorter
# What Python and RE2 take differently, or only one of them takes.
_DIFFERENT = re.compile(r"\{,|\\[AZzCQEpPNuUxX]\{|\\[AZzCQEpPNG<>]|\(\?[^:P]|\(\?P[^<]|[*+?}]\+")


class PatternError(ValueError):
    """What is wrong with a pattern, and what would be right."""


class Engine(Protocol):
    """What google-re2 is to us."""

    def fullmatch(self, text: bytes) -> Body | None: ...


@dataclass(frozen=True)
class _Pattern:
    """Stands where rules have Python's patterns: matches from the words to the newline."""

    engine: Engine
    words: int  # bytes of the pattern that the scanner has gone over already

    def match(self, block: bytes, start: int) -> Body | None:
        end = block.find(b"\n", start, start + _LINE)
        if end < 0:
            return None
        if block.endswith(b"\r", start, end):
            end -= 1
        return self.engine.fullmatch(block[start - self.words : end])


def own_rule(
    kind: str,
    pattern: str,
    tags: Sequence[str],
    form: str,
    service: str | None,
    tls: bool | None,
) -> Rule:
    """One pattern as a rule; PatternError if it can't be trusted."""
    tree = parsed(pattern)
    try:
        check(kind, tree, service)
    except TooLongError:
        raise PatternError(_TOO_LONG) from None
    words = _literal_start(tree)
    rule = Rule(
        kind,
        tuple(tag.encode() for tag in tags),
        re.escape(words),
        b"",
        _builder(kind, service, tls),
        forms=FORMS[form],
        whole=pattern[1:-1].encode(),
    )
    object.__setattr__(rule, "pattern", _Pattern(_compiled(pattern), len(words)))
    return rule


def check_together(patterns: Sequence[tuple[str, str]]) -> None:
    """PatternError where a line of one pattern's kind could pass for another pattern's login."""
    trees = [(kind, text, parsed(text)) for kind, text in patterns]
    for kind, text, tree in trees:
        written = automaton(tree, _names(tree), hostile=True)
        for other_kind, other_text, other_tree in trees:
            if other_kind != "login" or other_text == text:
                continue
            read = automaton(other_tree, _names(other_tree))
            try:
                line = two_readings(written, read, ("ip",) if kind == "login" else None)
            except TooLongError:
                raise PatternError(_TOO_LONG) from None
            if line is not None:
                raise PatternError(
                    f"a client that chooses its name well could make a {kind}, {text!r}, pass for"
                    f" a login by {other_text!r}, as in {_quoted(line)}"
                )


def parsed(pattern: str) -> Any:
    """The parse tree; PatternError for what isn't a pattern, or not the same in both engines."""
    if len(pattern) > _LONGEST:
        raise PatternError(f"longer than {_LONGEST} characters")
    if not pattern.isascii() or not pattern.isprintable():
        raise PatternError(r"holds something else than printable ASCII; write bytes as \xNN")
    different = _DIFFERENT.search(pattern)
    if different:
        raise PatternError(
            f"{different[0]!r} is not the same in RE2's and Python's patterns, or not in both;"
            " groups are written (?P<name>...) or (?:...)"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)
            return _parser.parse(pattern.encode())
    except (re.error, FutureWarning, OverflowError, RecursionError) as error:
        raise PatternError(f"not a pattern: {error}") from None


def check(kind: str, tree: Any, service: str | None) -> None:
    """PatternError if lines could be misread by this pattern of `login`, `logout`, `failure`."""
    nodes = list(tree)
    anchors = [node for node in nodes if node[0] is op.AT]
    if len(nodes) < 2 or nodes[0] != (op.AT, op.AT_BEGINNING) or nodes[-1] != (op.AT, op.AT_END):
        raise PatternError(
            "not anchored: it must begin with ^ and end with $, and be true of the whole text"
            " behind the program's tag. What may follow and doesn't matter is [^\\n]* before the $"
        )
    if len(anchors) > 2 or _has(nodes, op.AT, within=True):
        raise PatternError("^, $ and \\b may stand at its ends only")
    names = _names(tree)
    if tree.state.groups - 1 > len(names):
        raise PatternError("a group without a name: write (?:...) instead of (...)")
    for name in names.values():
        if name not in _KNOWN:
            raise PatternError(f"unknown group {name!r}; there are {', '.join(_KNOWN)}")
    for name in NEEDED[kind]:
        if name not in names.values():
            raise PatternError(f"a {kind} needs the group {name!r}: (?P<{name}>...)")
        if not any(_is_group(node, names, name) for node in nodes):
            raise PatternError(
                f"the group {name!r} stands in another group, a choice or a repetition,"
                " so some lines might lack it"
            )
    if "service" in names.values() and service is not None:
        raise PatternError("the service is told twice: by the key and by a group")
    if "ip" in names.values():
        _check_address(nodes, names)
    if kind != "failure":  # a failure earns nothing and ends nothing
        _check_readings(tree, names)


def _check_address(nodes: list[Any], names: dict[int, str]) -> None:
    inner = next((list(v[3]) for k, v in nodes if k is op.SUBPATTERN and names[v[0]] == "ip"), None)
    if inner is None:
        raise PatternError("the group 'ip' stands in another group, a choice or a repetition")
    for kind, value in _leaves(inner):
        extra = byte_set(kind, value) - ADDRESS_BYTES
        if extra:
            raise PatternError(
                f"the group 'ip' may hold {class_of(extra)}, of which no address is made;"
                " write (?P<ip>[0-9a-fA-F.:]+)"
            )


def _check_readings(tree: Any, names: dict[int, str]) -> None:
    plain = automaton(tree, names)
    hostile = automaton(tree, names, hostile=True)
    if "ip" in plain.groups:
        field = open_field(plain)
        if field is not None:
            raise PatternError(
                f"an open field stands before the address: it holds {class_of(field)}, so also"
                " what ends it. Give it a class without that: [^ ]+ before a blank, [^>]* before >"
            )
    line = two_readings(plain, plain, plain.groups)
    if line is not None:
        raise PatternError(f"ambiguous: there are two ways to read {_quoted(line)}")
    if "ip" in plain.groups:
        line = two_readings(hostile, plain, ("ip",))
        if line is not None:
            raise PatternError(
                "can be led astray: a client that chooses its name well would be taken for"
                f" another address, as in {_quoted(line)}. Where its text may come before the"
                " address, nothing open may follow it"
            )


def _names(tree: Any) -> dict[int, str]:
    return {number: name for name, number in tree.state.groupdict.items()}


def _quoted(line: bytes) -> str:
    return repr(line.decode("latin-1"))


def _is_group(node: Any, names: dict[int, str], name: str) -> bool:
    return node[0] is op.SUBPATTERN and names.get(node[1][0] or 0) == name


def _children(kind: Any, value: Any) -> list[Any]:
    if kind is op.BRANCH:
        return [node for way in value[1] for node in way]
    if kind is op.SUBPATTERN:
        return list(value[3])
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
        return list(value[2])
    return []


def _has(nodes: list[Any], wanted: Any, *, within: bool = False) -> bool:
    """Whether a kind of node stands there, or only `within` others."""
    return any(
        (kind is wanted and not within) or _has(_children(kind, value), wanted)
        for kind, value in nodes
    )


def _leaves(nodes: list[Any]) -> list[Any]:
    found: list[Any] = []
    for kind, value in nodes:
        inner = _children(kind, value)
        found += _leaves(inner) if inner else [(kind, value)]
    return found


def _literal_start(tree: Any) -> bytes:
    """The letters that every line begins with."""
    found = bytearray()
    for kind, value in list(tree)[1:]:
        if kind is not op.LITERAL:
            break
        found.append(value)
    return bytes(found)


def _compiled(pattern: str) -> Engine:
    try:
        import re2  # the extra `patterns`
    except ImportError:
        raise PatternError(
            "the package google-re2 is missing, which matches patterns of the configuration:"
            " pip install 'smtp-poplock[patterns]'"
        ) from None
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # a byte is a byte
    options.log_errors = False
    try:
        engine: Engine = re2.compile(pattern.encode(), options)
    except re2.error as error:
        text = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise PatternError(f"RE2 doesn't take it: {text}") from None
    return engine


def _builder(kind: str, service: str | None, tls: bool | None) -> Build:
    """What makes an event of a matched line."""

    def build(head: Head, body: Body) -> Event | None:
        groups = cast(dict[bytes, bytes | None], body.groupdict())  # RE2 names them in bytes
        ip, user, session = groups.get(b"ip"), groups.get(b"user"), groups.get(b"session")
        told = groups.get(b"service")
        name = user.decode() if user else None
        at = service or (told.decode().lower() if told else "?")
        known = session.decode() if session else None
        match kind:
            case "login":
                return Login(head.time, address(ip), name, at, tls, known) if name and ip else None
            case "logout":
                where = None if ip is None else address(ip)
                return Logout(head.time, where, name, at, tls, known)
            case _:
                return Failure(head.time, address(ip), name, at, tls, known) if ip else None

    return build
