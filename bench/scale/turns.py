"""A simulation by events of processes that work in turns, as Redis and asyncio do.

Such a process takes all that has arrived, works it off, sends what came of it at the end of the
turn, and only then looks again. So what a thing costs falls with the load, and what waits for the
longest thing of a turn waits for the whole turn: neither is seen by a queue that serves one by one.

`Link` is the client's side of it: one batch is on its way, what comes meanwhile goes with the next.
"""

import heapq
from collections.abc import Callable
from typing import Any

Act = Callable[..., None]


class World:
    """Time, and what happens when."""

    def __init__(self) -> None:
        self.now = 0.0
        self._agenda: list[tuple[float, int, Act, tuple[Any, ...]]] = []
        self._number = 0

    def at(self, time: float, act: Act, *arguments: Any) -> None:
        self._number += 1  # what was said first happens first
        heapq.heappush(self._agenda, (time, self._number, act, arguments))

    def run(self, until: float) -> None:
        agenda = self._agenda
        while agenda and agenda[0][0] <= until:
            self.now, _, act, arguments = heapq.heappop(agenda)
            act(*arguments)
        self.now = until


class Turning:
    """One process, one processor. `work(batch)` gives a turn's seconds and what comes of it."""

    def __init__(
        self, world: World, work: Callable[[list[Any]], tuple[float, list[tuple[Act, Any]]]]
    ) -> None:
        self._world = world
        self._work = work
        self._waiting: list[Any] = []
        self._busy = False
        self.worked = 0.0
        self.turns = 0

    def take(self, thing: Any) -> None:
        """Something has arrived."""
        self._waiting.append(thing)
        if not self._busy:
            self._turn()

    def lose(self) -> list[Any]:
        """The process has died: what waited in it."""
        lost, self._waiting = self._waiting, []
        return lost

    def _turn(self) -> None:
        batch, self._waiting = self._waiting, []
        self._busy = True
        seconds, outcome = self._work(batch)
        self.worked += seconds
        self.turns += 1
        self._world.at(self._world.now + seconds, self._end, outcome)

    def _end(self, outcome: list[tuple[Act, Any]]) -> None:
        for act, argument in outcome:
            act(argument)
        if self._waiting:
            self._turn()
        else:
            self._busy = False


class Link:
    """A connection with one batch on its way; `send(batch)` is called when the next may go."""

    def __init__(self, send: Callable[[list[Any]], None], most: int) -> None:
        self._send = send
        self._most = most
        self.waiting: list[Any] = []
        self.away = False

    def put(self, thing: Any) -> None:
        self.waiting.append(thing)
        self.go()

    def back(self) -> None:
        """The reply has come."""
        self.away = False
        self.go()

    def go(self) -> None:
        if self.waiting and not self.away:
            batch, self.waiting = self.waiting[: self._most], self.waiting[self._most :]
            self.away = True
            self._send(batch)
