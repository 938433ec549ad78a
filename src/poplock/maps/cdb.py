"""The constant database that `tcpserver -x` reads: the operator's rules and the grants.

A grant's record is what tcpserver would have found for that address anyway (the operator's
variables for its network), then RELAYCLIENT and POPLOCK_USER. Where the operator's rule denies the
address, or names exactly that address, the operator's word stands and there is no grant's record.

tcpserver looks IPv6 up by its exact text only, so an IPv6 grant is published for the address of the
last login, not for its network.
"""

from pathlib import Path

from ..config.maps import CdbSettings
from ..core.clock import Clock
from ..core.errors import MapError
from ..core.grants import Grant
from .cdbfile import read_cdb
from .cdbmap import CdbFileMap, Records
from .tcprules import DENY, read_rules, rule_for

_OURS = b"+POPLOCK_USER="


class CdbMap(CdbFileMap):
    """The operator's rules and the grants, as one cdb."""

    def __init__(self, settings: CdbSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._static_path = None if settings.static is None else Path(settings.static)
        relay = f"+RELAYCLIENT={settings.relayclient}\0".encode()
        self._relay = relay + (b"+RBLSMTPD=\0" if settings.rblsmtpd else b"")

    def _static_records(self) -> Records:
        return [] if self._static_path is None else read_rules(self._static_path)

    def _records_left(self) -> Records:
        try:
            return self._static_records()
        except MapError:
            # Better the operator's rules of the last time than none: they may deny somebody.
            return [(key, data) for key, data in read_cdb(self._path) if _OURS not in data]

    def _key(self, address: str) -> bytes:
        return address.encode()

    def _data(self, key: bytes, grant: Grant) -> bytes | None:
        rule = rule_for(key, self._static)
        if key in self._static or rule.startswith(DENY):
            return None
        user = "".join(c for c in grant.user if c.isprintable())
        return rule + self._relay + _OURS + user.encode() + b"\0"
