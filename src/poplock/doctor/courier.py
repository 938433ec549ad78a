"""Courier's MTA: is our text in its access folder, and compiled since?"""

from collections.abc import Iterator
from pathlib import Path

from ..config.maps import TextSettings
from .site import Finding, Site, bad, well

_FOLDER = "/etc/courier/smtpaccess"
_COMPILED = "/etc/courier/smtpaccess.dat"
_SETUP = "'poplock setup courier-mta' prints the lines"


def check(site: Site) -> Iterator[Finding]:
    """Look at the folder that makesmtpaccess(8) compiles."""
    if not site.path("/etc/courier/esmtpd").exists():
        return
    ours = [m for m in site.config.map if isinstance(m, TextSettings) and m.form == "courier"]
    inside = [m for m in ours if Path(m.path).parent == Path(_FOLDER)]
    if not inside:
        yield bad(
            "Courier", f"no map of form courier stands in {_FOLDER}: nobody is let in", _SETUP
        )
        return
    if not inside[0].after:
        yield bad(
            "Courier",
            "the map has no `after`: Courier reads only what makesmtpaccess has compiled",
            'after = ["/usr/sbin/makesmtpaccess"]',
        )
        return
    text, compiled = site.path(inside[0].path), site.path(_COMPILED)
    try:
        late = text.stat().st_mtime > compiled.stat().st_mtime + 1
    except OSError:
        yield bad("Courier", f"{_COMPILED} or {text} is missing", "run makesmtpaccess")
        return
    if late:
        yield bad("Courier", f"{_COMPILED} is older than {text}", "run makesmtpaccess; see status")
    else:
        yield well("Courier", "has compiled what poplock wrote")
