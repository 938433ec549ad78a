"""Finds the line of a key in a TOML text, for error messages.

The parser gives values without their lines. This follows table headers and keys only, which is
enough to point at a place; where it fails, the message goes without a line.
"""

import re

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_.\"'-]+?)\s*=")


def line_of(text: str, path: str) -> int | None:
    """The line (from 1) of `path`, such as `source[1].path` or `policy.never[2]`.

    For an unknown or missing key, the line of the nearest table that holds it.
    """
    found = _keys(text)
    while path:
        if path in found:
            return found[path]
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return None


def _keys(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    seen: dict[str, int] = {}  # array of tables -> how many there were
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header:
            table = header[2]
            if header[1] == "[[":
                seen[table] = seen.get(table, -1) + 1
                table = f"{table}[{seen[table]}]"
            found.setdefault(table, number)
            continue
        key = _KEY.match(line)
        if key:
            name = key[1].strip("\"'")
            found.setdefault(f"{table}.{name}" if table else name, number)
    return found
