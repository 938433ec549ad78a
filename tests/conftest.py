"""What every test may use: a clock that a test moves, and a small world without disk or sockets."""

import signal
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address

import pytest
from hypothesis import settings

from poplock.authorizer import Authorizer
from poplock.core.clock import Clock, FakeClock
from poplock.core.events import Event, Login, Logout
from poplock.core.policy import Policy, Rules
from poplock.sources.intake import Intake, Lent

# A shell's background job ignores SIGINT, and so would every program that a test starts in one.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def authorizer(clock: FakeClock) -> Authorizer:
    made = Authorizer(Policy(Rules()), clock)
    made.trouble = None
    return made


def login(time: float, ip: str = "203.0.113.9", user: str = "ann", **more: object) -> Login:
    """A login as a dialect would give it, by source `log` unless said otherwise."""
    more.setdefault("service", "imap")
    more.setdefault("source", "log")
    return Login(time, ip_address(ip), user, **more)  # type: ignore[arg-type]


def logout(time: float, session: str, user: str = "ann", source: str = "log") -> Logout:
    return Logout(time, None, user, "imap", session=session, source=source)


async def _at_once() -> None:
    pass


def make_intake(
    clock: Clock,
    seen: list[Event] | None = None,
    kept: Callable[[], Awaitable[None]] = _at_once,
    authorizer: Authorizer | None = None,
) -> Intake:
    """A source's intake, whose events go into `seen` and to the authorizer."""

    def record(events: Sequence[Event], position: tuple[str, str] | None) -> None:
        if seen is not None:
            seen.extend(events)
        if authorizer is not None:
            authorizer.record(events, position)

    return Intake("log", 3600.0, Lent(clock, record, lambda: 0, kept, kept, _at_once))
