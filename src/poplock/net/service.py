"""What stands behind the sockets of one protocol: who answers, who may come, what is counted.

A peer on a unix socket is admitted by the socket's group and mode. All others are looked up in two
lists: those who may *ask*, and those who may *tell* of logins; asking doesn't make one trusted to
hand out grants.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from ..core.addresses import IPAddress, NetworkSet
from ..core.answers import Answer, Elsewhere, Query
from ..core.dialogue import MakeDialogue
from ..sources.intake import Intake

log = logging.getLogger(__name__)

_SAY_AGAIN = 60.0  # seconds before the same complaint about the same peer is logged again
_MOST_COMPLAINTS = 1000  # peers remembered for that


class Authority(Protocol):
    """Who knows the answers: the Authorizer."""

    def check(self, query: Query) -> Answer | Elsewhere: ...

    def expect(self, query: Query, wake: Callable[[], None]) -> Callable[[], None] | None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and counts."""

    connections: int = 1000
    idle: float = 600.0
    request: float = 10.0
    patience: float = 0.0


class Rights(NamedTuple):
    """What one peer may do."""

    ask: bool
    tell: bool


@dataclass(frozen=True, slots=True)
class Admission:
    """Whose questions are answered, and whose word counts; None: everybody's."""

    ask: NetworkSet | None = None
    tell: NetworkSet | None = field(default_factory=NetworkSet)

    def admits(self, peer: IPAddress | None) -> bool:
        """Whether it may do anything at all."""
        return self.may_ask(peer) or self.may_tell(peer)

    def may_ask(self, peer: IPAddress | None) -> bool:
        return peer is None or self.ask is None or peer in self.ask

    def may_tell(self, peer: IPAddress | None) -> bool:
        return peer is None or self.tell is None or peer in self.tell


class Door:
    """Who may come in at a listener's sockets, how many, and what they did wrong.

    `intake` takes what peers tell; None where they only ask.
    """

    def __init__(
        self,
        name: str,
        limits: Limits,
        admission: Admission | None = None,
        intake: Intake | None = None,
    ) -> None:
        self.name = name
        self.limits = limits
        self.admission = admission or Admission()
        self.intake = intake
        self.refused = 0
        """Faults of peers: broken protocol, not admitted, too slow."""
        self._complaints: dict[str, float] = {}

    def rights(self, peer: IPAddress | None) -> Rights:
        """What a peer may do here."""
        tell = self.intake is not None and self.admission.may_tell(peer)
        return Rights(self.admission.may_ask(peer), tell)

    def complain(self, peer: str, why: str) -> None:
        """Count a peer's fault, and log it unless that was said lately."""
        self.refused += 1
        if self.intake is not None:
            self.intake.health.refused += 1
        now = asyncio.get_running_loop().time()
        if now - self._complaints.get(peer, -_SAY_AGAIN) < _SAY_AGAIN:
            return
        if len(self._complaints) >= _MOST_COMPLAINTS:
            self._complaints.clear()
        self._complaints[peer] = now
        log.warning("%s: refused %s: %s", self.name, peer, why)


class Service(Door):
    """One protocol, spoken as dialogues, at its sockets."""

    def __init__(
        self,
        name: str,
        make_dialogue: MakeDialogue,
        authority: Authority,
        limits: Limits,
        admission: Admission | None = None,
        intake: Intake | None = None,
    ) -> None:
        super().__init__(name, limits, admission, intake)
        self.make_dialogue = make_dialogue
        self.authority = authority
