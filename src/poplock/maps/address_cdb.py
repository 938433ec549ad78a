"""A cdb of addresses: what `cdb:` of Postfix reads, and Exim's cdb look-up.

The key is the exact address, without the NUL that postmap(1) puts behind it: Postfix takes both,
Exim only this. Postfix cuts an IPv6 address at its last colon to ask for networks, which meets a
network only where the address happens to be written out, so an IPv6 grant is published for the
address that logged in.

The value is `OK` for Postfix, or the user who earned it for Exim to note. smtpd sees a new file at
its next session.
"""

from ..config.maps import AddressCdbSettings
from ..core.clock import Clock
from ..core.grants import Grant
from .cdbmap import CdbFileMap


class AddressCdbMap(CdbFileMap):
    """Addresses that may relay, as one cdb."""

    def __init__(self, settings: AddressCdbSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._value = settings.value

    def _key(self, address: str) -> bytes:
        return address.encode()

    def _data(self, key: bytes, grant: Grant) -> bytes | None:
        if self._value == "ok":
            return b"OK"
        return "".join(c for c in grant.user if c.isprintable()).encode()
