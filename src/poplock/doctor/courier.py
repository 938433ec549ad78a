"""Courier's MTA: does it run poplock-check, or is our text in its access folder, and compiled?"""

import re
from collections.abc import Iterator
from pathlib import Path

from ..config.maps import TextSettings
from .site import Finding, Site, bad, well

_SETTINGS = "/etc/courier/esmtpd"
_FOLDER = "/etc/courier/smtpaccess"
_SETUP = "'poplock setup courier-mta' prints the lines"


def check(site: Site) -> Iterator[Finding]:
    """Look at the folder that makesmtpaccess(8) compiles."""
    settings = site.read(_SETTINGS)
    if settings is None:
        return
    if re.search(r"^PORT=.*\bpoplock-check\b", settings, re.MULTILINE):
        yield well("Courier", "runs poplock-check before courieresmtpd")
        return
    folder = _FOLDER
    for match in re.finditer(r"^ACCESSFILE=(/\S+)", settings, re.MULTILINE):
        folder = match[1]
    ours = [m for m in site.config.map if isinstance(m, TextSettings) and m.form == "courier"]
    inside = [m for m in ours if Path(m.path).parent == Path(folder)]
    if not inside:
        yield bad("Courier", f"no map of form courier stands in {folder}: nobody is let in", _SETUP)
        return
    if not inside[0].after:
        yield bad(
            "Courier",
            "the map has no `after`: Courier reads only what makesmtpaccess has compiled",
            'after = ["/usr/sbin/makesmtpaccess"]',
        )
        return
    text, compiled = site.path(inside[0].path), site.path(f"{folder}.dat")
    try:
        late = text.stat().st_mtime > compiled.stat().st_mtime + 1
    except OSError:
        yield bad("Courier", f"{folder}.dat or {text} is missing", "run makesmtpaccess")
        return
    if late:
        yield bad("Courier", f"{folder}.dat is older than {text}", "run makesmtpaccess; see status")
    else:
        yield well("Courier", "has compiled what poplock wrote")
