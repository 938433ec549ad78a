"""Drives a dialogue: answers what is asked, records what is told. Sockets are the subclasses'.

A question is answered inside the call that delivers its bytes: a task or an `await` for each would
cost more than the question. Three things have to wait, and everything behind them in the same
conversation with them, since replies stay in the order of the requests:

- a client of whom only the store that hosts share can tell;
- a client without a grant: a POP/IMAP server may log a login a moment *after* it told the client
  (Dovecot 2.4 was seen to be a millisecond late), and who logs in and sends at once would be
  refused. So "no grant" is said after `patience`, unless the login comes meanwhile. Those who wait
  are strangers who want to relay; nobody else is held up;
- the acknowledgement of a login: it is on disk first.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from ..core.addresses import IPAddress
from ..core.answers import Answer, Elsewhere, NoOpinion, Outcome, Query, Refused, Unavailable
from ..core.dialogue import Request
from ..core.errors import StoreError
from ..core.events import Event
from ..sources.intake import Intake
from .service import Rights, Service

log = logging.getLogger(__name__)

_tasks: set[asyncio.Task[None]] = set()  # the loop itself holds tasks by weak references only


class Talk:
    """One conversation."""

    _piecewise = True  # whether what is said goes out though the rest has to wait
    _held: Sequence[Request] = ()  # the one that waits, and those behind it
    _waiting = False
    _stop_waiting: Callable[[], None] | None = None

    def __init__(
        self, service: Service, peer: IPAddress | None, rights: Rights, datagram: bool
    ) -> None:
        self._service = service
        self._dialogue = service.make_dialogue(peer, datagram)
        self._check = service.authority.check
        self._patience = service.limits.patience
        self._may_ask, self._may_tell = rights
        # Whether it makes sense to listen to this peer at all.
        self._admitted = self._may_ask or self._may_tell or self._dialogue.refuses

    def _take(
        self,
        requests: Sequence[Request],
        waited: bool = False,
        found: Answer | Elsewhere | None = None,
    ) -> None:
        """Reply in order to what the dialogue has understood, up to what has to wait.

        `found` is what the authority has said of the first.
        """
        if self._waiting:
            self._held = [*self._held, *requests]
            return
        dialogue, number = self._dialogue, 0
        while number < len(requests):
            request = requests[number]
            if isinstance(request, Query):
                outcome = found or (self._check(request) if self._may_ask else self._refusal("ask"))
                if type(outcome) is Elsewhere:
                    self._held = requests[number:]
                    self._ask(outcome, request, waited)
                    break
                unsure = type(outcome) is NoOpinion and self._patience
                if unsure and not waited and self._wait(request):
                    self._held = requests[number:]
                    break
                waited, found = False, None
                dialogue.reply(request, outcome)
                number += 1
            else:
                events = _events(requests[number:])
                number += len(events)
                if self._told(events):
                    self._held = requests[number:]
                    break
        if self._piecewise or not self._waiting:
            self._say()

    def _told(self, events: Sequence[Event]) -> bool:
        """Record what the peer tells; True if the conversation has to wait for that."""
        intake = self._service.intake
        if intake is None or not self._may_tell:
            refusal = self._refusal("tell of logins")
            for event in events:
                self._dialogue.reply(event, refusal)
            return False
        intake.take(events)
        # Where nobody waits for the disk, at least no more is read than it can follow.
        acknowledges = self._dialogue.acknowledges
        self._hold(self._keep(events, intake) if acknowledges else intake.ready())
        return True

    async def _keep(self, events: Sequence[Event], intake: Intake) -> None:
        """Acknowledge when all is on disk."""
        outcome: Outcome = None
        try:
            await intake.kept()
        except StoreError as error:
            outcome = Unavailable(str(error))
        for event in events:
            self._dialogue.reply(event, outcome)

    def _refusal(self, what: str) -> Refused:
        why = f"it may not {what}"
        self._service.complain(self._peer(), why)
        return Refused(why)

    def _hold(self, work: Awaitable[None]) -> None:
        """Do `work` before anything else in this conversation."""
        self._waiting = True
        self._pause()

        async def then_go_on() -> None:
            try:
                await work
            except Exception:
                log.exception("%s: a bug while %s waited", self._service.name, self._peer())
                self._close()
            else:
                self._resume_answers()

        task = asyncio.create_task(then_go_on())
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)

    def _ask(self, elsewhere: Elsewhere, request: Query, waited: bool) -> None:
        """Go on with what is known elsewhere."""
        self._waiting = True
        self._pause()
        elsewhere.ask(request, lambda answer: self._resume_answers(waited, answer))

    def _wait(self, request: Query) -> bool:
        """Go on when the client has logged in, or after `patience`; False where that can't help."""
        forget = self._service.authority.expect(request, self._go_on)
        if forget is None:
            return False
        timer = asyncio.get_running_loop().call_later(self._patience, self._go_on)
        self._waiting = True
        self._pause()

        def stop() -> None:
            timer.cancel()
            forget()
            self._stop_waiting = None

        self._stop_waiting = stop
        return True

    def _go_on(self) -> None:
        if self._stop_waiting is not None:
            self._stop_waiting()
            self._resume_answers(waited=True)

    def _resume_answers(self, waited: bool = False, found: Answer | None = None) -> None:
        self._waiting = False
        if self._closed():
            return
        self._resume()
        held, self._held = self._held, ()
        self._take(held, waited, found)

    def _forget(self) -> None:
        """The peer has gone."""
        if self._stop_waiting is not None:
            self._stop_waiting()

    def _say(self) -> bool:
        """Send what the dialogue has said; whether that was anything."""
        dialogue = self._dialogue
        if dialogue.refusals:
            for why in dialogue.refusals:
                self._service.complain(self._peer(), why)
            dialogue.refusals = None
        reply = dialogue.said
        if reply:
            dialogue.said = b""
            self._send(reply)
        if dialogue.closing and not self._waiting:
            self._close()
        return bool(reply)

    # What a kind of socket does its own way.

    def _send(self, data: bytes) -> None:
        raise NotImplementedError

    def _pause(self) -> None:
        """Read no more for now."""

    def _resume(self) -> None: ...

    def _close(self) -> None:
        """Close when all is sent."""

    def _closed(self) -> bool:
        return False

    def _peer(self) -> str:
        raise NotImplementedError


def _events(requests: Sequence[Request]) -> list[Event]:
    """The events at the beginning, up to the first question."""
    found: list[Event] = []
    for request in requests:
        if isinstance(request, Query):
            break
        found.append(request)
    return found
