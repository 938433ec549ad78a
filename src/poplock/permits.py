"""Who relayed by whose login: each permit in the log, sums of them in the history."""

import asyncio
import logging
from collections import deque
from itertools import islice

from .authorizer import Authorizer
from .core.grants import Key
from .places import Use
from .stores import Deed

log = logging.getLogger(__name__)

_AT_ONCE = 16  # lines, about 0.15 ms of work between two turns of the answers


class PermitLog:
    """Takes the permits from the Authorizer and tells of them.

    An MTA asks at every recipient: permits of one client between two writings share a line, and
    those of a minute one deed of the history.
    """

    def __init__(self, authorizer: Authorizer, *, logged: bool) -> None:
        self._authorizer = authorizer
        self._logged = logged
        self._waiting: deque[Use] = deque()
        self._sums: dict[tuple[str, Key], int] = {}

    async def write(self) -> None:
        """Log what was permitted since the last call."""
        waiting, sums = self._waiting, self._sums
        waiting.extend(self._authorizer.take_uses())
        for number in range(1, len(waiting) + 1):
            use = waiting.popleft()
            client, key = use.place.client, use.grant.key
            sums[client, key] = sums.get((client, key), 0) + use.count
            if self._logged:
                times = f" ({use.count} times)" if use.count > 1 else ""
                log.info("permit %s: login of %s by %s%s", client, key.user, key.source, times)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)

    def latest(self, most: int) -> list[Deed]:
        """The sums that aren't in the history yet, of the clients that came last."""
        now = self._authorizer.clock.wall()
        sums = islice(reversed(self._sums.items()), most)
        return [Deed(now, "used", *key, client, count) for (client, key), count in sums][::-1]

    def keep(self) -> None:
        """Put the sums into the history."""
        self._authorizer.note_uses(self.latest(len(self._sums)))
        self._sums.clear()
