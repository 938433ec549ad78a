"""Courier MTA: poplock-check before its daemon, and its own access file."""

from __future__ import annotations

import shutil

from testbed import servers
from tests.daemon import ROOT

from ..route import Place, Route

_FILE = "/etc/courier/esmtpd"
_CHECK = "/usr/bin/poplock-check"


def start(place: Place, more: str = "", behind: str = "") -> None:
    """With the lines of `poplock setup courier-mta`, `more` of them, and a program behind ours."""
    shutil.copy(ROOT / "programs/poplock-check", place.shared)
    place.host.run(["cp", "/shared/poplock-check", _CHECK])
    place.host.run(["sh", "-c", "cp /etc/courier/smtpaccess/default /shared/maps/ || :"])
    printed = place.printed("courier-mta")[_FILE].replace(_CHECK, f"{_CHECK} {behind}".strip())
    servers.start_courier_mta(place.host, more + printed)


ROUTES = (
    Route(
        "Courier, poplock-check",
        ("courier-mta", "netbase"),
        '[[map]]\ntype = "directory"\npath = "{maps}/grants"\n',
        start,
        soft=False,
        clears=True,
    ),
    Route(
        "Courier, smtpaccess",
        ("courier-mta", "netbase"),
        '[[map]]\ntype = "text"\nform = "courier"\npath = "{maps}/poplock"\n'
        'after = ["/usr/bin/env", {enter}, "/usr/sbin/makesmtpaccess"]\n',
        start,
        soft=False,
        clears=True,
    ),
)
