"""What an MTA asks and what it is told.

The three answers are kept apart until they are bytes: `Permit`, `NoOpinion` (the MTA's own rules
go on) and `Unavailable` (we can't say: refuse softly, let local mail pass).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from .grants import Grant


@dataclass(slots=True)
class Query:
    """May this client relay?

    `client` is the text the MTA gave, freed from that MTA's decoration. It need not be an
    address: some MTAs ask for a host name first, and about names there is no opinion.
    """

    client: str
    sender: str | None = None


@dataclass(slots=True)
class Permit:
    """Yes: `grant` is why."""

    grant: Grant


@dataclass(frozen=True, slots=True)
class NoOpinion:
    """No grant; `why` is for people."""

    why: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """We can't say; `reason` is for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The peer may not ask that, or tell that; `why` is for our log."""

    why: str


Answer = Permit | NoOpinion | Unavailable


@final
@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Not known here: `ask` the store that hosts share, which calls back. Never told to an MTA."""

    ask: Callable[[Query, Callable[[Answer], None]], None]


Outcome = Answer | Refused | None
"""What became of a request. None: what was told is kept."""
