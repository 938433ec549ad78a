"""What every test may use: a clock that a test moves, and a small world without disk or sockets."""

from ipaddress import ip_address

import pytest

from poplock.authorizer import Authorizer
from poplock.core.clock import FakeClock
from poplock.core.events import Login, Logout
from poplock.core.policy import Policy, Rules


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
