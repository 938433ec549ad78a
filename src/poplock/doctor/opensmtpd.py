"""OpenSMTPD: does a match let our table relay, behind the one for local mail?"""

import re
from collections.abc import Iterator

from .site import Finding, Site, bad, look, well

_SETUP = "'poplock setup opensmtpd' prints the lines"


def check(site: Site) -> Iterator[Finding]:
    """Read smtpd.conf, where there is one."""
    text = site.read("/etc/smtpd.conf")
    if text is None:
        return
    lines = [line.strip() for line in text.splitlines() if not line.lstrip().startswith("#")]
    ours = {m.path for m in site.config.map}
    tables = [line for line in lines if line.startswith("table ")]
    names = {
        line.split()[1]
        for line in tables
        if any(path in line + _settings(site, line) for path in ours)
        or re.search(r"\bpoplock:", line)
    }
    where = "OpenSMTPD"
    if not names:
        yield bad(where, "no table of poplock's is declared: nobody is let in", _SETUP)
        return
    matches = [line for line in lines if line.startswith("match ")]
    asks = [i for i, m in enumerate(matches) if any(f"<{name}>" in m for name in names)]
    if not asks:
        yield bad(where, "no match uses poplock's table: nobody is let in", _SETUP)
        return
    opened = [m for m in matches if re.match(r"match from any for any\b", m)]
    if opened:
        yield bad(where, f"{opened[0]!r} relays for everybody: an open relay", "take it out")
    local = [i for i, m in enumerate(matches) if "from any for domain" in m or "for local" in m]
    if local and min(local) > asks[0]:
        yield look(where, "the match for local mail stands behind poplock's", _SETUP)
    elif not opened:
        yield well(where, "asks poplock's table at the right place")


def _settings(site: Site, table: str) -> str:
    """The file that a table of SQLite is described in."""
    match = re.search(r"\bsqlite:(/\S+)", table)
    return (site.read(match[1]) or "") if match else ""
