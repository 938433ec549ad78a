"""Courier MTA: poplock-check before its daemon, and its own access file."""

from __future__ import annotations

import shutil

from testbed import servers
from tests.daemon import ROOT

from ..route import Place, Route

_FILE = "/etc/courier/esmtpd"


def _start(place: Place) -> None:
    """With the lines of `poplock setup courier-mta`."""
    shutil.copy(ROOT / "programs/poplock-check", place.shared)
    place.host.run(["cp", "/shared/poplock-check", "/usr/bin/poplock-check"])
    place.host.run(["sh", "-c", "cp /etc/courier/smtpaccess/default /shared/maps/ || :"])
    servers.start_courier_mta(place.host, place.printed("courier-mta")[_FILE])


ROUTES = (
    Route(
        "Courier, poplock-check",
        ("courier-mta", "netbase"),
        '[[map]]\ntype = "directory"\npath = "{maps}/grants"\n',
        _start,
        soft=False,
        clears=True,
    ),
    Route(
        "Courier, smtpaccess",
        ("courier-mta", "netbase"),
        '[[map]]\ntype = "text"\nform = "courier"\npath = "{maps}/poplock"\n'
        'after = ["/usr/bin/env", {enter}, "/usr/sbin/makesmtpaccess"]\n',
        _start,
        soft=False,
        clears=True,
    ),
)
