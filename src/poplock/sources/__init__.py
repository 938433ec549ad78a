"""Where logins are learnt. One way a file.

Three kinds: a source that *follows* something (a file, the journal) has `run`, and keeps a
position; one that *listens* is a dialogue, which `net` drives; one that *serves* is an application
behind HTTP. Rows name a function: `make(settings, intake) -> Source` of the first kind,
`dialogues(settings, intake) -> MakeDialogue` of the second, which has the clock and the counts from
its intake; its events `net` takes there; `application(settings, intake)` of the third.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Protocol, cast

from ..core.dialogue import MakeDialogue
from .intake import Intake

FOLLOWING = {
    "file": "file:make",
    "stdin": "stdin:make",
    "spool": "spool:make",
    "journal": "journal:make",
}
LISTENING = {
    "syslog": "syslog:dialogues",
    "whoson": ".answers.whoson:dialogues",
    "drac": "drac:dialogues",
    "radius": "radius:dialogues",
}
SERVING = {
    "dovecot_auth_policy": "dovecot_auth_policy:application",
    "dovecot_events": "dovecot_events:application",
    "http": "http:application",
}


class Source(Protocol):
    """What the daemon runs and `status` shows."""

    intake: Intake

    async def run(self, position: str | None) -> None:
        """Follow until cancelled, from where `position` says; it is what was last recorded."""


def make_source(settings: object, intake: Intake) -> Source:
    """The following source that these settings describe."""
    make = cast(Callable[[object, Intake], Source], _look_up(FOLLOWING, settings))
    return make(settings, intake)


def make_dialogues(settings: object, intake: Intake) -> MakeDialogue:
    """What a listening source says to each peer."""
    make = cast(Callable[[object, Intake], MakeDialogue], _look_up(LISTENING, settings))
    return make(settings, intake)


def make_application(settings: object, intake: Intake) -> object:
    """The ASGI application of a serving source."""
    make = cast(Callable[[object, Intake], object], _look_up(SERVING, settings))
    return make(settings, intake)


def _look_up(table: dict[str, str], settings: object) -> object:
    row = table[str(getattr(type(settings), "__struct_config__").tag)]  # noqa: B009
    module, _, attribute = row.partition(":")
    return getattr(import_module(f".{module}", __name__), attribute)
