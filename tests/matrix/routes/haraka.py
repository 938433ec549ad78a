"""Haraka, by the plugin in examples/haraka."""

from __future__ import annotations

from testbed import servers
from tests.daemon import ROOT

from ..route import Place, Route


def _start(place: Place) -> None:
    """With the settings of `poplock setup haraka`."""
    printed = place.setup("haraka").splitlines()
    (path,) = [line for line in printed if line.startswith("path=")]
    plugin = (ROOT / "examples/haraka/poplock.js").read_text()
    servers.start_haraka(place.host, plugin, f"{path}\n")


ROUTES = (
    Route(
        "Haraka, plugin",
        ("nodejs",),
        '[[answer]]\ntype = "line"\nlisten = "unix:{maps}/line.sock"\nmode = "0666"\n',
        _start,
        servers.PREPARE_HARAKA,
        releases=("trixie",),  # Haraka 3 needs a newer Node than Debian 12 has
    ),
)
