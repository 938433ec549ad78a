"""How MTAs ask. One protocol a file; bytes in, bytes out, no socket.

Three laws hold for every row, and `tests/contract/test_dialogues.py` runs them over the table:
however the bytes are cut, the result is the same; any bytes at all give requests, "need more" or
`WireError`; and the three answers each have bytes of their own.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

from ..core.answers import Answer, Query

ANSWERS = {
    "postfix_policy": "postfix_policy:PostfixPolicyDialogue",
}


class Dialogue(Protocol):
    """One peer's conversation. Made anew for each connection."""

    def receive_data(self, data: bytes) -> Sequence[Query]:
        """The requests that are complete now; WireError where the peer is wrong."""

    def reply(self, request: Query, answer: Answer) -> None:
        """Answer one request; in the order of the requests."""

    def data_to_send(self) -> bytes: ...


class MakesDialogue(Protocol):
    def __call__(self, *, with_sender: bool) -> Dialogue:
        """`with_sender`: the policy wants to know the envelope sender too."""


def dialogue(name: str) -> MakesDialogue:
    """The class that speaks the protocol `name`."""
    module, _, attribute = ANSWERS[name].partition(":")
    return cast(MakesDialogue, getattr(import_module(f".{module}", __name__), attribute))
