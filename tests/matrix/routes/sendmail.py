"""Sendmail: its socketmap, and a hash in the form of its access map.

With the m4 file that `poplock setup sendmail` prints.
"""

from __future__ import annotations

from poplock.cli.setup.sendmail import lines
from poplock.config.load import parse_config
from testbed import servers

from ..route import Place, Route

_M4 = "/etc/mail/m4/poplock.m4"
_MAPPED = 2525


def _start(place: Place) -> None:
    config = place.config.read_text().replace(str(place.shared), "/shared")
    place.host.write(_M4, lines(parse_config(config, "poplock.toml")))
    servers.start_sendmail(place.host, f"include(`{_M4}')dnl\n")


ROUTES = (
    Route(
        "Sendmail, socketmap",
        servers.SENDMAIL,
        '[[answer]]\ntype = "socketmap"\nlisten = "inet:127.0.0.1:10032"\n',
        _start,
        mapped_port=_MAPPED,
    ),
    Route(
        "Sendmail, access map",
        servers.SENDMAIL,
        '[[map]]\ntype = "text"\nform = "sendmail"\npath = "{maps}/sendmail"\n'
        'after = ["/usr/bin/env", {enter}, "/usr/sbin/makemap", "hash", "/shared/maps/sendmail.db"]\n',
        _start,
        soft=False,
        mapped_port=_MAPPED,
        clears=True,
    ),
)
