"""Fields of what Dovecot sends as JSON, policy requests and exported events alike."""

from collections.abc import Mapping

from ..core.addresses import IPAddress, parse_ip
from ..core.errors import WireError

_LONGEST = 255  # characters of a user's name or a session's id


def text(fields: Mapping[str, object], name: str) -> str:
    """A text that is fit to be kept and shown; "" where there is none."""
    value = fields.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST or not value.isprintable():
        raise WireError(f"{name!r} must be a text of at most {_LONGEST} printable characters")
    return value


def address(fields: Mapping[str, object], name: str) -> IPAddress:
    try:
        return parse_ip(text(fields, name))
    except ValueError as error:
        raise WireError(f"{name!r}: {error}") from error
