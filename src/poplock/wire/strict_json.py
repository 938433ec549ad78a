"""JSON from strangers, read so that two readers can't disagree about it (RFC 8259, I-JSON).

UTF-8 without a byte order mark; no name twice in an object; no NaN or Infinity. How deep and how
large is bounded by the caller's limit of bytes and the interpreter's of depth.
"""

import json
from typing import NoReturn

from ..core.errors import WireError


def read_json(data: bytes) -> object:
    """The value; WireError says what is wrong with the text."""
    try:
        return _decoder.decode(data.decode())
    except UnicodeDecodeError as error:
        raise WireError(f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise WireError(f"not JSON at character {error.pos}: {error.msg}") from error
    except RecursionError:
        raise WireError("not JSON of ours: nested too deep") from None
    except ValueError as error:
        raise WireError(f"not JSON of ours: {error}") from error


def read_object(data: bytes) -> dict[str, object]:
    """The same, where it has to be an object."""
    value = read_json(data)
    if not isinstance(value, dict):
        raise WireError(f"not a JSON object: {type(value).__name__}")
    return value


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice[:40]!r} stands twice in one object")
    return found


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


_decoder = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)
