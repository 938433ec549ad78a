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
