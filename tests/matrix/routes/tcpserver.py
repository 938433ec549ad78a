"""tcpserver, of ucspi-tcp and of ucspi-tcp-ipv6: a cdb, and poplock-check.

No Debian release has qmail: a stand-in of a few lines takes the place of qmail-smtpd.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.daemon import ROOT

from ..route import Place, Route

_SMTPD = Path(__file__).with_name("qmail-smtpd")
_PATH = "/var/qmail/bin/qmail-smtpd"


def start(place: Place, before: str = "") -> None:
    """With the line of `poplock setup qmail`; `before` is a program that starts qmail-smtpd."""
    for program, folder in (
        (_SMTPD, str(Path(_PATH).parent)),
        (ROOT / "programs/poplock-check", "/usr/bin"),
    ):
        shutil.copy(program, place.shared)
        place.host.run(["install", "-D", "-t", folder, f"/shared/{program.name}"])
    line = next(part for part in place.setup("qmail").split("\n\n") if "exec" in part)
    # -H: no look-up of names, which this network has none of.
    run = line.replace(" -R ", " -H -R ").replace(_PATH, f"{before} {_PATH}")
    place.host.popen(["sh", "-c", run], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    place.host.wait_for_port(25)


def _routes(package: str, *, ipv6: bool) -> tuple[Route, ...]:
    return (
        Route(
            f"{package}, cdb",
            (package, "netbase"),
            '[[map]]\ntype = "cdb"\npath = "{maps}/smtp.cdb"\n',
            start,
            soft=False,
            clears=True,
            ipv6=ipv6,
            releases=("trixie",),  # one version in both
        ),
        Route(
            f"{package}, poplock-check",
            (package, "netbase"),
            '[[map]]\ntype = "directory"\npath = "{maps}/grants"\n',
            start,
            soft=False,
            clears=True,
            ipv6=ipv6,
            releases=("trixie",),
        ),
    )


ROUTES = (*_routes("ucspi-tcp", ipv6=False), *_routes("ucspi-tcp-ipv6", ipv6=True))
