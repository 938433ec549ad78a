"""Exim: `${readsocket}`, and the maps it can look a client up in.

Debian's own configuration, with the ACL that `poplock setup exim` prints. An IPv4 client of an IPv6
socket is 203.0.113.5 to Exim, not ::ffff:203.0.113.5; port 2525 shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from poplock.cli.setup.exim import ACL_FILE, acl
from poplock.config import load_config
from testbed import servers

from ..route import Place, Route

_MAPPED = 2525


def start(place: Place, macros: Mapping[str, str] = MappingProxyType({})) -> None:
    """Exim with the ACL for this configuration, and more of Debian's macros."""
    place.host.write(ACL_FILE, acl(load_config(place.config)))
    servers.start_exim(place.host, {"MAIN_ACL_CHECK_RCPT": ACL_FILE, **macros})
    servers.exim_on_both_families(place.host, _MAPPED)


def _map(name: str, config: str) -> Route:
    return Route(
        f"Exim, {name}",
        servers.EXIM,
        f"[[map]]\n{config}\n",
        start,
        soft=False,
        mapped_port=_MAPPED,
        clears=True,
    )


ROUTES = (
    Route(
        "Exim, readsocket",
        servers.EXIM,
        '[[answer]]\ntype = "line"\nlisten = "inet:127.0.0.1:10033"\n',
        start,
        mapped_port=_MAPPED,
    ),
    _map("sqlite", 'type = "sqlite"\npath = "{maps}/relay.db"'),
    _map("cdb", 'type = "address_cdb"\npath = "{maps}/relay.cdb"\nvalue = "user"'),
    _map("dsearch", 'type = "addresses"\npath = "{maps}/addresses"'),
    _map("net-iplsearch", 'type = "text"\nform = "exim"\npath = "{maps}/relay.exim"'),
)
