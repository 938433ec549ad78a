"""What `poplock setup` prints, taken apart: so that what an operator is told is what is tested."""

from __future__ import annotations

import re


def files(text: str) -> dict[str, str]:
    """The files that it names, each in a line `# /PATH`, and the lines that follow, no comments."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if match := re.fullmatch(r"# (/\S+)", line):
            name = match[1]
            found[name] = ""
        elif name and line and not line.startswith("#"):
            found[name] += f"{line}\n"
    return found


def parameters(main_cf: str) -> dict[str, str]:
    """What stands in a main.cf, each value in one line."""
    found: dict[str, str] = {}
    name = ""
    for line in main_cf.splitlines():
        if line.strip().startswith("#"):
            continue
        if not line.startswith(" "):
            name, _, line = (part.strip() for part in line.partition("="))
            found[name] = ""
        found[name] = f"{found[name]} {line.strip()}".strip()
    return found
