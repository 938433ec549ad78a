"""Times as an operator writes them."""

import re

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Duration(float):
    """Seconds, written `90`, `"90s"`, `"60m"`, `"24h"` or `"30d"`."""

    @classmethod
    def read(cls, value: object) -> "Duration":
        """Read what stands in the file; ValueError says what would be right."""
        if isinstance(value, str):
            match = re.fullmatch(r"(\d{1,9})([smhd])", value)
            if match:
                return cls(int(match[1]) * _UNITS[match[2]])
        elif isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e10:
            return cls(value)
        raise ValueError(f'{value!r} is no duration; write seconds, or "90s", "60m", "24h", "30d"')
