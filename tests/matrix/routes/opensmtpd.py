"""OpenSMTPD: table-poplock, and tables that poplock writes.

Who is in no table hears 550, whatever poplock's trouble is; only table-poplock can say "trouble".
"""

from __future__ import annotations

import shutil

from testbed import servers
from tests.daemon import ROOT

from ..route import Place, Route

_CONF = "/etc/smtpd.conf"


def _start(place: Place, **more: str) -> None:
    """With the lines of `poplock setup opensmtpd`."""
    printed = place.printed("opensmtpd")
    table, match = printed.pop(_CONF).splitlines()
    for path, lines in printed.items():
        place.host.write(path, lines)
    servers.start_opensmtpd(place.host, table, match, **more)


def start_with_program(place: Place, **more: str) -> None:
    """The same; Debian's own Python runs the program."""
    shutil.copytree(ROOT / "src", place.shared / "src")
    servers.install_table_poplock(place.host, "/shared/src")
    _start(place, **more)


def _start_told(place: Place) -> None:
    """The same; behind each change runs what systemd would start for it."""
    unit = (ROOT / "packaging/systemd/poplock-opensmtpd.service").read_text()
    line = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    command = line.partition("=")[2].replace("$$", "$").replace("%%", "%").rpartition(" ")[0]
    place.host.write("/told", f'{command} "$1"\n')
    _start(place)


_AFTER = (
    'after = ["/usr/bin/env", {enter}, "/bin/sh", "-c",'
    ' "test ! -S /run/smtpd.sock || sh /told $0", "%s"]\n'
)


ROUTES = (
    Route(
        "OpenSMTPD, table-poplock",
        ("opensmtpd", "python3"),
        '[[answer]]\ntype = "line"\nlisten = "unix:{maps}/line.sock"\nmode = "0666"\n',
        start_with_program,
        releases=("trixie",),  # since 7.6
        endless=True,  # smtpd waits for one answer at a time, so for all forms of the test in turn
    ),
    Route(
        "OpenSMTPD, file",
        ("opensmtpd",),
        '[[map]]\ntype = "text"\nform = "opensmtpd"\npath = "{maps}/relay.txt"\n'
        + _AFTER % "/shared/maps/relay.txt",
        _start_told,
        soft=False,
        clears=True,
    ),
    Route(
        "OpenSMTPD, sqlite",
        ("opensmtpd", "opensmtpd-extras"),
        '[[map]]\ntype = "sqlite"\npath = "{maps}/relay.sqlite"\n'
        + _AFTER % "/shared/maps/relay.sqlite",
        _start_told,
        soft=False,
        clears=True,
        releases=("bookworm",),  # 7.6 has another protocol for table programs, and none for SQLite
    ),
)
