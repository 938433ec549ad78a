"""How MTAs ask. One protocol a file; bytes in, bytes out, no socket.

Three laws hold for every row, and `tests/contract/test_dialogues.py` runs them over the table:
however the bytes are cut, the result is the same; any bytes at all give requests, "need more" or
`WireError`; and the three answers each have bytes of their own.

A row names a function: `dialogues(settings, with_sender) -> MakeDialogue`. `with_sender`: the
policy wants to know the envelope sender too, as far as the protocol tells it.
"""

from collections.abc import Callable
from importlib import import_module
from typing import cast

from ..core.dialogue import MakeDialogue

ANSWERS = {
    "postfix_policy": "postfix_policy:dialogues",
    "whoson": "whoson:answers",
    "socketmap": "socketmap:dialogues",
    "tcp_table": "tcp_table:dialogues",
    "line": "line:dialogues",
    "dns": "dns:dialogues",
}


def make_dialogues(settings: object, *, with_sender: bool) -> MakeDialogue:
    """What the answer that these settings describe says to each peer."""
    row = ANSWERS[str(getattr(type(settings), "__struct_config__").tag)]  # noqa: B009
    module, _, attribute = row.partition(":")
    make = getattr(import_module(f".{module}", __name__), attribute)
    return cast(Callable[[object, bool], MakeDialogue], make)(settings, with_sender)
