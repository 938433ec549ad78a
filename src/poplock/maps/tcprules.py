r"""Rules for tcpserver as tcprules(1) reads them, and which of them meets an address.

    ADDRESS:allow,VAR="value",...      ADDRESS:deny

The address is everything before `:allow` or `:deny`, so IPv6 addresses can stand there as in
ucspi-tcp-ipv6; any character may quote a value; `10.1-2.` stands for `10.1.` and `10.2.`; lines
that are empty or begin with `#` count nothing.

In a cdb, an address is the key and its record is `D\0` for deny and `+VAR=value\0` for each
variable, in the order of the line.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..core.errors import MapError

DENY = b"D\0"

_RULE = re.compile(rb"(.*?):(allow|deny)(.*)", re.DOTALL)
_RANGE = re.compile(rb"([^=@-]*?)(\d+)-(\d+)([^=@]*)")
_WIDEST = 65_536  # addresses of one range; a line can't make a file of gigabytes


def read_rules(path: Path) -> list[tuple[bytes, bytes]]:
    """Keys and records of a rules file, in its order; MapError names the line that is wrong."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise MapError(f"cannot read the rules {path}: {error.strerror}") from error
    return list(_records(text, path))


def _records(text: bytes, path: Path) -> Iterator[tuple[bytes, bytes]]:
    for number, raw in enumerate(text.split(b"\n"), start=1):
        line = raw.rstrip(b" \t")
        if not line or line.startswith(b"#"):
            continue
        rule = _RULE.fullmatch(line)
        variables = None if rule is None else _variables(rule[3])
        addresses = None if rule is None else _addresses(rule[1])
        if rule is None or variables is None or addresses is None:
            shown = line[:100].decode(errors="backslashreplace")
            raise MapError(
                f'{path}:{number}: not a tcprules line: {shown}; write ADDRESS:allow,VAR="value"'
                " or ADDRESS:deny"
            )
        record = (DENY if rule[2] == b"deny" else b"") + variables
        for address in addresses:
            yield address, record


def _variables(text: bytes) -> bytes | None:
    """The record of `,VAR="value",...`; None if it can't be read."""
    record = b""
    while text:
        name, equals, rest = text[1:].partition(b"=")
        end = rest.find(rest[:1], 1)
        if not text.startswith(b",") or not equals or end < 0:
            return None
        record += b"+" + name + b"=" + rest[1:end] + b"\0"
        text = rest[end + 1 :]
    return record


def _addresses(address: bytes) -> list[bytes] | None:
    """The addresses that a rule is for; None if that can't be read."""
    if b"-" not in address or re.search(rb"[=@:]", address):
        return [address]
    span = _RANGE.fullmatch(address)
    if span is None or int(span[3]) - int(span[2]) > _WIDEST:
        return None
    return [b"%s%d%s" % (span[1], n, span[4]) for n in range(int(span[2]), int(span[3]) + 1)]


def rule_for(address: bytes, records: Mapping[bytes, bytes]) -> bytes:
    """The record that tcpserver takes for an address; b"" (allow) where there is none.

    Rules by name (`=host`) or ident answer (`info@ip`) are tcpserver's to judge.
    """
    if address in records:
        return records[address]
    end = address.rfind(b".")
    while end >= 0:
        prefix = address[: end + 1]
        if prefix in records:
            return records[prefix]
        end = address.rfind(b".", 0, end)
    return records.get(b"", b"")
