"""Two POP hosts, two SMTP hosts, one store, all real: log in anywhere, relay anywhere, whatever
fails. `python -m tests.hosts` plays the same at any length and prints what it saw."""

from collections.abc import Iterator

import pytest

from tests.hosts import failures, logins
from tests.hosts.failures import FAILURES, Failure
from tests.hosts.fleet import Crew, Fleet

STORES = {"single": "valkey-trixie", "sentinel": "redis-bookworm", "cluster": "redis-trixie"}


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet() as running:
        yield running


@pytest.fixture(scope="module", params=STORES)
def crew(fleet: Fleet, request: pytest.FixtureRequest) -> Iterator[Crew]:
    """The daemons on every host with a store of each kind, one kind after the other."""
    mode = request.param
    with fleet.store(mode, STORES[mode]) as store, fleet.serve(store) as running:
        yield running


def test_a_login_on_any_host_permits_on_every_other_at_once_and_a_revocation_refuses_on_all(
    crew: Crew,
) -> None:
    rounds = logins.play(crew, 16)
    assert (rounds.refusals, rounds.came_back) == ([], [])


@pytest.mark.parametrize(
    ("crew", "failure"),
    [pytest.param(f.store, f, id=f.name) for f in FAILURES],
    indirect=["crew"],
)
def test_no_promise_is_broken_in_a_failure_and_all_heals_by_itself(
    crew: Crew, failure: Failure
) -> None:
    scene = failures.play(crew, failure)
    assert failures.broken(scene) == [], "\n".join(failures.table(failure, scene))
