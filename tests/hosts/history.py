"""What happened at a site of many hosts: who logged in, who took what back, what was answered.

One clock times everything, that of whoever drives the site (CLOCK_MONOTONIC, one for the whole
machine whatever the hosts believe), and each operation has two times: before it was begun and after
its end was seen. Whatever it did, it did between them. `tests.hosts.checker` says whether such a
history keeps the promises.

A history is a file of JSON lines, one an operation in the order of their ends, so that it can be
kept, cut down and read by people. Grants by hand and releases by a source are a login and a
revocation here.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self

import msgspec

Told = Literal["acknowledged", "logged", "unanswered"]
"""How a host was told something: it confirmed it; it stands in a log that the host follows, with a
stamp of whole seconds; or no confirmation came, so it may have counted or not."""

Word = Literal["permit", "none", "unavailable"]


class _Timed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    began: float
    ended: float


class Login(_Timed, frozen=True, kw_only=True, tag="login"):
    """A login was told to `host`; it earns `window` seconds, more while its session is open."""

    host: str
    network: str
    user: str
    window: float
    told: Told = "acknowledged"
    session: str | None = None
    max_session: float = 0.0


class Logout(_Timed, frozen=True, kw_only=True, tag="logout"):
    """The end of a session was told to `host`; a session's id comes once in a history."""

    host: str
    session: str
    told: Told = "acknowledged"


class Revoke(_Timed, frozen=True, kw_only=True, tag="revoke"):
    """Somebody took back what `network` and `user` (None: every one) had earned until then."""

    host: str
    network: str | None = None
    user: str | None = None
    confirmed: bool = True


class Answer(_Timed, frozen=True, kw_only=True, tag="answer"):
    """What `host` said of `network`, and by whose login, where it tells."""

    host: str
    network: str
    answer: Word
    user: str | None = None


class Trouble(_Timed, frozen=True, kw_only=True, tag="trouble"):
    """Something was wrong from `began` to `ended`, completely so from `complete`.

    `host` None: with the store itself, so with every host's way to it. `kind` says what may be
    expected meanwhile: `down` (the host didn't run), `cut` (nothing got through), `poor` (late or
    in part), `store` (it was stopped, emptied, full, moved to another server).
    """

    host: str | None
    kind: Literal["down", "cut", "poor", "store"]
    complete: float
    what: str


Operation = Login | Logout | Revoke | Answer | Trouble


class History:
    """Operations; the times may have any beginning."""

    def __init__(self, operations: Sequence[Operation] = ()) -> None:
        self.operations = list(operations)

    @classmethod
    def read(cls, path: Path) -> Self:
        decoder = msgspec.json.Decoder(Operation)
        return cls(decoder.decode_lines(path.read_bytes()))

    def write(self, path: Path) -> None:
        path.write_bytes(msgspec.json.Encoder().encode_lines(self.operations))


class Recorder(History):
    """Writes down what is done to a site, from any number of threads.

    Each method does the thing by calling what it is given, and notes it with its times.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.clock = clock
        self._lock = threading.Lock()

    def note(self, operation: Operation) -> None:
        """For who measures the times by `clock` himself."""
        with self._lock:
            self.operations.append(operation)

    def login(
        self,
        host: str,
        network: str,
        user: str,
        tell: Callable[[], Told],
        *,
        window: float,
        session: str | None = None,
        max_session: float = 0.0,
    ) -> Told:
        began = self.clock()
        told: Told = "unanswered"
        try:
            told = tell()
        finally:
            self.note(
                Login(
                    began=began,
                    ended=self.clock(),
                    host=host,
                    network=network,
                    user=user,
                    window=window,
                    told=told,
                    session=session,
                    max_session=max_session,
                )
            )
        return told

    def logout(self, host: str, session: str, tell: Callable[[], Told]) -> Told:
        began = self.clock()
        told: Told = "unanswered"
        try:
            told = tell()
        finally:
            ended = self.clock()
            self.note(Logout(began=began, ended=ended, host=host, session=session, told=told))
        return told

    def revoke(
        self,
        host: str,
        order: Callable[[], bool],
        *,
        network: str | None = None,
        user: str | None = None,
    ) -> bool:
        """`order` says whether the revocation was confirmed."""
        began = self.clock()
        confirmed = False
        try:
            confirmed = order()
        finally:
            self.note(
                Revoke(
                    began=began,
                    ended=self.clock(),
                    host=host,
                    network=network,
                    user=user,
                    confirmed=confirmed,
                )
            )
        return confirmed

    def ask(self, host: str, network: str, ask: Callable[[], Word]) -> Word:
        """A question that got no reply is none: an MTA defers by its own rule then."""
        began = self.clock()
        answer = ask()
        ended = self.clock()
        self.note(Answer(began=began, ended=ended, host=host, network=network, answer=answer))
        return answer

    @contextmanager
    def trouble(
        self, host: str | None, kind: Literal["down", "cut", "poor", "store"], what: str
    ) -> Iterator[Callable[[], None]]:
        """While this lasts, something is wrong; call what it gives once that is complete."""
        began = self.clock()
        complete = math.inf

        def completed() -> None:
            nonlocal complete
            complete = self.clock()

        try:
            yield completed
        finally:
            ended = self.clock()
            self.note(
                Trouble(
                    began=began,
                    ended=ended,
                    host=host,
                    kind=kind,
                    complete=min(complete, ended),
                    what=what,
                )
            )
