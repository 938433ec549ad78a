"""One peer's conversation, without its socket: bytes in, requests out, replies back.

A dialogue has no socket, no clock and no logger; whoever drives it (`net.talk`) has. Made anew for
each connection, or each datagram unless it lasts.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

from .addresses import IPAddress
from .answers import Outcome, Query
from .events import Event

Request = Query | Event


class Dialogue:
    """What every protocol has. What it doesn't speak, it need not override."""

    acknowledges: ClassVar[bool] = True
    """Whether the peer is told what became of an event, and so waits until it is on disk."""
    refuses: ClassVar[bool] = False
    """Whether the protocol can tell a peer that it isn't admitted; else it is met with silence."""
    at_rest = False
    """Set while what has come is whole, though no request came of it; else the time that a request
    may take to arrive runs."""
    closing = False
    """Set when the peer has said good-bye: the connection ends once all replies are sent."""
    lasts: ClassVar[bool] = False
    """Whether it is as new once it has said all there is to a datagram, and serves for the next."""
    said = b""
    """What was not sent yet."""
    refusals: list[str] | None = None
    """Why requests were refused in the protocol's own words; whoever drives it takes that away."""

    def receive_data(self, data: bytes) -> Sequence[Request]:
        """The requests that are complete now; WireError where the peer is wrong.

        A datagram comes whole, in one call. On a connection b"" is the end of what the peer sends.
        """
        raise NotImplementedError

    def reply(self, request: Request, outcome: Outcome) -> None:
        """Say what became of a request; in the order of the requests."""

    def data_to_send(self) -> bytes:
        """What has been said since the last call."""
        said, self.said = self.said, b""
        return said

    def _refuse(self, why: str) -> None:
        """Note that a request was refused in the protocol's own words."""
        if self.refusals is None:
            self.refusals = []
        self.refusals.append(why)


MakeDialogue = Callable[[IPAddress | None, bool], Dialogue]
"""From a peer's address (None on a unix socket), and whether what it sends is a datagram."""
