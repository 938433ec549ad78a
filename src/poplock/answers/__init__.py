"""How MTAs ask. One protocol a file; bytes in, bytes out, no socket.

Three laws hold for every row, and `tests/contract/test_dialogues.py` runs them over the table:
however the bytes are cut, the result is the same; any bytes at all give requests, "need more" or
`WireError`; and the three answers each have bytes of their own.
"""

from importlib import import_module
from typing import Protocol, cast

from ..core.dialogue import Dialogue

ANSWERS = {
    "postfix_policy": "postfix_policy:PostfixPolicyDialogue",
    "whoson": "whoson:answers",
}


class MakesDialogue(Protocol):
    def __call__(self, *, with_sender: bool, datagram: bool) -> Dialogue:
        """`with_sender`: the policy wants to know the envelope sender too."""


def dialogue(name: str) -> MakesDialogue:
    """The class that speaks the protocol `name`."""
    module, _, attribute = ANSWERS[name].partition(":")
    return cast(MakesDialogue, getattr(import_module(f".{module}", __name__), attribute))
