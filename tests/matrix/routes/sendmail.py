"""Sendmail: its socketmap, and a hash in the form of its access map.

With the m4 file that `poplock setup sendmail` prints.
"""

from __future__ import annotations

from poplock.cli.setup.sendmail import lines
from poplock.config import load_config
from testbed import servers

from ..route import Place, Route

_M4 = "/etc/mail/m4/poplock.m4"
_MAPPED = 2525


def start(place: Place, more: str = "") -> None:
    """Sendmail with the rules for this configuration, and `more` in its m4 file."""
    place.host.write(_M4, lines(load_config(place.config)))
    servers.start_sendmail(place.host, f"{more}include(`{_M4}')dnl\n")


ROUTES = (
    Route(
        "Sendmail, socketmap",
        servers.SENDMAIL,
        '[[answer]]\ntype = "socketmap"\nlisten = "inet:127.0.0.1:10032"\n',
        start,
        mapped_port=_MAPPED,
    ),
    Route(
        "Sendmail, access map",
        servers.SENDMAIL,
        '[[map]]\ntype = "text"\nform = "sendmail"\npath = "{maps}/sendmail"\n'
        'after = ["/usr/bin/env", {enter}, "sh", "-c",'
        ' "makemap hash $0 && chmod 644 $0", "{maps}/sendmail.db"]\n',
        start,
        soft=False,
        mapped_port=_MAPPED,
        clears=True,
    ),
)
