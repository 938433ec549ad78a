"""Hostile text in every field that a client controls, for the property test and the fuzz harness.

`tests/samples/dialects/NAME.hostile` holds templates: above each `#! login` or `#! never`, then one
line, or several that belong together (a login told in two lines). In them stand

    %u           what the client gave as its name, the same in all lines of a template
    %s           any other text of the client's, each time another
    192.0.2.66   the client's true address

Of a `login` template, each login that is read comes from the true address; of a `never` template
(a refused login, another program's line) none may be read at all, whatever the client wrote.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from random import Random

SAMPLES = Path(__file__).parent.parent / "samples"
TRUE = b"192.0.2.66"
FORGED = b"198.51.100.7"

PIECES = [
    b", rip=198.51.100.7",
    b">, ",
    b"]",
    b"<",
    b"user=<x>",
    b"lip=1.1.1.1",
    b"session=<y>",
    b", ",
    b" login success a:198.51.100.7",
    b"ip=[198.51.100.7]",
    b", port=[1]",
    b"LOGIN, user=z",
    b"dovecot: imap-login: Login: user=<z>, method=PLAIN, rip=198.51.100.7, lip=::1",
    b"\r",
    b"\x00",
    b"\xff",
    b"'",
    b'"',
    b"\t",
    b" ",
    b": ",
    b") ",
    b":198.51.100.7",
    b" 198.51.100.7",
    b"[198.51.100.7]",
    b"(198.51.100.7)",
    b"198.51.100.7",
    b"::ffff:198.51.100.7",
    b"#012",
    b"\\n",
    b"Nov 24 10:00:00 mx ",
]
_PLACE = re.compile(rb"%[us]")
SYSLOG_LINE = re.compile(
    rb"[A-Z]..............[ ](\S+) ([^ :\[\]]+)(?:\[(\d+)\])?: (.*)", re.DOTALL
)
"""A line of RFC 3164: its host, tag, process id and text."""


@dataclass(frozen=True)
class Template:
    """Lines as a server writes them, with places for what a client chose."""

    never: bool
    lines: tuple[bytes, ...]

    def fill(self, user: bytes, others: "list[bytes]") -> bytes:
        """The lines with their newlines; `others` are used in turn."""
        turn = 0

        def chosen(place: re.Match[bytes]) -> bytes:
            nonlocal turn
            if place[0] == b"%u" or not others:
                return user
            turn += 1
            return others[(turn - 1) % len(others)]

        return b"".join(_PLACE.sub(chosen, line) + b"\n" for line in self.lines)


def templates(path: Path) -> list[Template]:
    """The templates of a file."""
    found: list[Template] = []
    never, lines = False, []  # type: bool, list[bytes]
    for line in (*path.read_bytes().split(b"\n"), b"#! login"):
        if line.startswith(b"#! "):
            if lines:
                found.append(Template(never, tuple(lines)))
            lines = []
            kind = line[3:].split()[0]
            assert kind in (b"login", b"never"), line
            never = kind == b"never"
        elif line and not line.startswith(b"#"):
            lines.append(line)
    return found


def of_dialect(name: str) -> list[Template]:
    """A dialect's own templates, then those of programs that no dialect listens to."""
    own = templates(SAMPLES / "dialects" / f"{name}.hostile")
    return own + templates(SAMPLES / "strangers.hostile")


def pieces_of(found: list[Template]) -> list[bytes]:
    """Parts of these lines themselves, with another address in them: the likeliest forgeries."""
    parts: list[bytes] = []
    for template in found:
        for line in template.lines:
            line = line.replace(TRUE, FORGED)
            starts = [m.start() for m in re.finditer(rb"(?<=[ \t,:=<\[(\"';>])|^", line)]
            parts += [line[start:] for start in starts]
    return [_PLACE.sub(b"x", part) for part in parts]


def escaped(text: bytes) -> bytes:
    """A syslog daemon or the server itself takes newlines out: a line is a line."""
    return text.replace(b"\n", b"#012")


def text(random: Random, parts: list[bytes]) -> bytes:
    """What a client might write to be taken for somebody else."""
    if not random.getrandbits(9):
        return b"x" * 10_000
    chosen: list[bytes] = []
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 5))):
        kind = random.random()
        if kind < 0.45:
            piece = random.choice(parts)
            cut = random.randrange(len(piece)) if piece and random.random() < 0.3 else len(piece)
            chosen.append(piece[:cut])
        elif kind < 0.8:
            chosen.append(random.choice(PIECES))
        else:
            chosen.append(random.randbytes(random.randrange(12)))
    return escaped(b"".join(chosen))
