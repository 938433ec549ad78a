"""Sendmail: are the rules those that match a positive mark only?

A rule set that takes anything else than "no" for a yes relays for everybody while the map is down.
"""

import re
from collections.abc import Iterator

from .site import Finding, Site, bad, look, well

_CF = ("/etc/mail/sendmail.cf", "/etc/sendmail.cf")
_SETUP = "'poplock setup sendmail' prints the lines for sendmail.mc"


def check(site: Site) -> Iterator[Finding]:
    """Read sendmail.cf, where there is one."""
    found = [(name, text) for name in _CF if (text := site.read(name)) is not None]
    if not found:
        return
    name, text = found[0]
    where = f"Sendmail ({name})"
    tables = {m.path for m in site.config.map}
    keyed = [line for line in text.splitlines() if line.startswith("K")]
    ours = [line for line in keyed if re.match(r"Kpoplock\b", line)]
    by_access = any(path in line for line in keyed for path in tables)
    if not ours and not by_access:
        yield bad(where, "no map of poplock's is declared: nobody is let in", _SETUP)
        return
    rules = ruleset(text, "Local_check_rcpt") + ruleset(text, "Local_check_relay")
    opened = [rule for rule in rules if _takes_anything(rule)]
    if opened:
        yield bad(
            where,
            f"a rule lets everything pass that isn't a plain no: {opened[0]!r}; while poplock is"
            " down that is everybody",
            _SETUP,
        )
    elif ours and not any("<OK>" in rule for rule in rules):
        yield look(where, "no rule looks for the mark <OK> that our map appends", _SETUP)
    else:
        yield well(where, "asks poplock, and matches a positive mark only")


def _takes_anything(rule: str) -> bool:
    """Whether a rule accepts, and what it matches needs no word of ours."""
    left, _, right = rule[1:].partition("\t")
    return bool(re.match(r"\s*\$#\s*OK", right) and re.fullmatch(r"(?:\$[*+|-]|\s)*", left))


def ruleset(text: str, name: str) -> list[str]:
    """The rules of a set."""
    rules: list[str] = []
    inside = False
    for line in text.splitlines():
        if line.startswith("S"):
            inside = line[1:].partition("=")[0].strip() == name
        elif inside and line.startswith("R"):
            rules.append(line)
    return rules
