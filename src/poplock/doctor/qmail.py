"""qmail under tcpserver: rcpthosts, and whether the server that runs reads what we write."""

from collections.abc import Iterator

from ..config.maps import CdbSettings, DirectorySettings
from .site import Finding, Site, bad, look, well

_CONTROL = "/var/qmail/control"
_SETUP = "'poplock setup qmail' prints the lines"


def check(site: Site) -> Iterator[Finding]:
    """Look at qmail's control files and at the tcpservers that run."""
    if site.path(_CONTROL).is_dir():
        if not site.path(f"{_CONTROL}/rcpthosts").exists():
            yield bad(
                "qmail",
                f"{_CONTROL}/rcpthosts is missing: qmail relays for everybody",
                "list your domains in it, one a line",
            )
        else:
            yield well("qmail", "control/rcpthosts is there")
    maps = site.maps(CdbSettings, DirectorySettings)
    servers = [c for c in _commands(site) if "tcpserver" in c[0] and _smtp(c)]
    if not maps or not servers:
        return
    for command in servers:
        shown = " ".join(command)[:120]
        if any(m.path in command for m in maps if isinstance(m, CdbSettings)):
            yield well("tcpserver", f"reads poplock's cdb: {shown}")
        elif any("poplock-check" in word for word in command):
            yield well("tcpserver", f"runs poplock-check: {shown}")
        else:
            yield look("tcpserver", f"asks poplock nothing: {shown}", _SETUP)


def _smtp(command: list[str]) -> bool:
    return any(word in ("smtp", "25") or word.endswith("smtpd") for word in command)


def _commands(site: Site) -> Iterator[list[str]]:
    """The command lines of what runs."""
    for process in site.path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes().rstrip(b"\0").split(b"\0")
        except OSError:
            continue
        if words and words[0]:
            yield [word.decode(errors="replace") for word in words]
