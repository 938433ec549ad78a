"""As in an operator's installation: without what only the development tools bring.

mypy brings typing_extensions; msgspec takes it where it finds it, and it costs 7 MiB.
"""

import sys

sys.modules["typing_extensions"] = None  # type: ignore[assignment]
