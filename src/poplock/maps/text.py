r"""Text files: one line a grant, in the form of whoever reads it.

| form | IPv4 | IPv6 (a /64) | read by |
|---|---|---|---|
| `plain` | `203.0.113.9` | `2001:db8:1:2::/64` | Haraka, rspamd, scripts |
| `postfix_cidr` | `203.0.113.9/32 OK` | `2001:db8:1:2::/64 OK` | Postfix, cidr_table(5) |
| `exim` | `203.0.113.9: ann` | `"2001:db8:1:2::/64": ann` | Exim, `net-iplsearch` |
| `sendmail` | `Connect:203.0.113.9 RELAY` | `Connect:IPv6:2001:db8:1:2 RELAY` | makemap(8) |
| `opensmtpd` | `203.0.113.9` | `[2001:db8:1:2::/64]` | OpenSMTPD, table(5) |
| `courier` | `203.0.113.9 allow,...` | `:2001:0db8:0001:0002 allow,...` | makesmtpaccess(8) |

Sendmail and Courier cut an IPv6 address at its colons only, so where a network's length is no
multiple of 16, the address that logged in stands for it.

Most of them read such a file only when told to, by the program `after` (`maps.after`).
"""

from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network

from ..config.maps import TextSettings
from ..core.clock import Clock
from ..core.grants import Grant
from .after import run_after
from .filemap import Content
from .whole import WholeFileMap


def _v6(grant: Grant) -> IPv6Network | None:
    return IPv6Network(grant.network) if ":" in grant.network else None


def _groups(grant: Grant, net: IPv6Network) -> list[int]:
    """The groups of the network where it ends at one, else those of the client's address."""
    whole, bits = divmod(net.prefixlen, 16)
    packed = (IPv6Address(grant.address) if bits else net.network_address).packed
    count = 8 if bits else whole
    return [int.from_bytes(packed[2 * i : 2 * i + 2]) for i in range(count)]


def _address(grant: Grant) -> str:
    return grant.network.removesuffix("/32")


def _plain(grant: Grant) -> str:
    return _address(grant)


def _postfix_cidr(grant: Grant) -> str:
    return f"{grant.network} OK"


def _exim(grant: Grant) -> str:
    user = "".join(c for c in grant.user if c.isprintable())
    key = f'"{grant.network}"' if ":" in grant.network else _address(grant)
    return f"{key}: {user}"


def _sendmail(grant: Grant) -> str:
    net = _v6(grant)
    if net is None:
        return f"Connect:{_address(grant)}\tRELAY"
    return f"Connect:IPv6:{':'.join(f'{group:x}' for group in _groups(grant, net))}\tRELAY"


def _opensmtpd(grant: Grant) -> str:
    return _address(grant) if _v6(grant) is None else f"[{grant.network}]"


def _courier(grant: Grant) -> str:
    net = _v6(grant)
    key = _address(grant) if net is None else "".join(f":{g:04x}" for g in _groups(grant, net))
    return f"{key}\tallow,RELAYCLIENT,BLOCK"


_LINES: dict[str, Callable[[Grant], str]] = {
    "plain": _plain,
    "postfix_cidr": _postfix_cidr,
    "exim": _exim,
    "sendmail": _sendmail,
    "opensmtpd": _opensmtpd,
    "courier": _courier,
}

_NOBODY = {"opensmtpd": b"0.0.0.0\n"}
"""OpenSMTPD 6.8 refuses to start with an empty table: it "may not be used for from lookups"."""


class TextMap(WholeFileMap):
    """Lines of one form."""

    def __init__(self, settings: TextSettings, clock: Clock) -> None:
        self.nobody = _NOBODY.get(settings.form, b"")
        super().__init__(settings, clock, settings.static)
        self._line = _LINES[settings.form]
        self._after = settings.after

    def piece(self, grant: Grant) -> bytes:
        return self._line(grant).encode() + b"\n"

    def _write(self, content: Content) -> None:
        super()._write(content)
        run_after(self._after, self._path)
