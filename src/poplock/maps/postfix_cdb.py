"""What `cdb:` of Postfix reads, as postmap(1) makes it.

Key and value end in a NUL, as postmap's do. The key is the exact address: Postfix cuts an IPv6
address at its last colon to ask for networks, which meets a network only where the address happens
to be written out, so an IPv6 grant is published for the address that logged in. The value is `OK`.

smtpd sees a new file at its next session.
"""

from ..core.grants import Grant
from .cdbmap import CdbFileMap


class PostfixCdbMap(CdbFileMap):
    """Addresses that may relay, as one cdb."""

    def _key(self, address: str) -> bytes:
        return address.encode() + b"\0"

    def _data(self, key: bytes, grant: Grant) -> bytes | None:
        return b"OK\0"
