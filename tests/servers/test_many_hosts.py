"""Two POP hosts, two SMTP hosts, one store, all real: log in anywhere, relay anywhere, whatever
fails. `python -m tests.hosts` plays the same at any length and prints what it saw."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.hosts import failures, logins
from tests.hosts.failures import FAILURES, Failure
from tests.hosts.fleet import Crew, Fleet

STORES = {"single": "valkey-trixie", "sentinel": "redis-bookworm", "cluster": "redis-trixie"}


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet() as running:
        yield running


class Crews:
    """The daemons on every host with a store of the kind that is wanted, one kind at a time."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._mode = ""
        self._stack = ExitStack()

    def with_store(self, mode: str) -> Crew:
        if mode != self._mode:
            self.close()
            store = self._fleet.store(mode, STORES[mode])
            self._stack.enter_context(store)
            self._crew = self._stack.enter_context(self._fleet.serve(store))
            self._mode = mode
        return self._crew

    def close(self) -> None:
        self._stack.close()
        self._mode = ""


@pytest.fixture(scope="module")
def crews(fleet: Fleet) -> Iterator[Crews]:
    running = Crews(fleet)
    yield running
    running.close()


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
def test_no_promise_is_broken_in_a_failure_and_all_heals_by_itself(
    crews: Crews, failure: Failure
) -> None:
    scene = failures.play(crews.with_store(failure.store), failure)
    assert failures.broken(scene) == [], "\n".join(failures.table(failure, scene))


@pytest.mark.parametrize("mode", ["cluster", "sentinel", "single"])
def test_a_login_on_any_host_permits_on_every_other_at_once_and_a_revocation_refuses_on_all(
    crews: Crews, mode: str
) -> None:
    rounds = logins.play(crews.with_store(mode), 16)
    assert (rounds.refusals, rounds.came_back) == ([], [])
