"""Netstrings (cr.yp.to/proto/netstrings.txt): `<length>:<payload>,`.

Strict, since two readers could disagree otherwise: no leading zero, no blank, no sign, and nothing
longer than the limit, which is known before the payload is collected.
"""

from ..core.errors import WireError

_DIGITS = 9  # of a length; more than any limit has


def read(buffer: bytes, start: int, longest: int) -> tuple[int, int] | None:
    """Where the payload of the netstring at `start` begins and ends; None: it isn't whole.

    The next one begins behind the comma: at the end plus 1.
    """
    colon = buffer.find(b":", start, start + _DIGITS + 1)
    digits = buffer[start:colon] if colon >= 0 else buffer[start : start + _DIGITS + 1]
    if not digits.isdigit() or (digits[0] == 0x30 and len(digits) > 1):
        if not digits and colon < 0:
            return None
        raise WireError("no netstring: its length is no number")
    if colon < 0:
        if len(digits) > _DIGITS:
            raise WireError(f"a netstring of more than {longest} bytes")
        return None
    length = int(digits)
    if length > longest:
        raise WireError(f"a netstring of more than {longest} bytes")
    end = colon + 1 + length
    if len(buffer) <= end:
        return None
    if buffer[end] != 0x2C:
        raise WireError("no netstring: no comma after its end")
    return colon + 1, end


def encode(payload: bytes) -> bytes:
    return b"%d:%b," % (len(payload), payload)
