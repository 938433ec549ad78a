"""Whom a grant permits where the sender counts, and how long revocations are remembered."""

import pytest

from poplock.authorizer import Authorizer
from poplock.core.addresses import Network
from poplock.core.answers import Elsewhere, NoOpinion, Permit, Query
from poplock.core.clock import FakeClock
from poplock.core.grants import Grant, Revoked
from poplock.core.policy import Policy, Rules
from tests.conftest import login

CLIENT = "203.0.113.9"


@pytest.fixture
def strict(clock: FakeClock) -> Authorizer:
    """One with policy.match_sender."""
    made = Authorizer(Policy(Rules()), clock, match_sender=True)
    made.trouble = None
    return made


def user_permitted(authorizer: Authorizer, sender: str | None) -> str | None:
    """By whose login the sender may relay."""
    answer = authorizer.check(Query(CLIENT, sender))
    assert not isinstance(answer, Elsewhere)
    return answer.grant.user if isinstance(answer, Permit) else None


@pytest.mark.parametrize(
    ("sender", "user"),
    [
        ("ann@example.org", "ann"),
        ("ANN@example.org", "ann"),
        ("bob@example.org", "bob@example.org"),
        ("bob@example.com", None),
        ("annie@example.org", None),
        ("", None),
        (None, None),
    ],
)
def test_each_of_those_behind_one_address_may_send_as_himself_alone(
    strict: Authorizer, clock: FakeClock, sender: str | None, user: str | None
) -> None:
    strict.record([login(clock.wall() - 60, user="ann")])
    strict.record([login(clock.wall() - 30, user="bob@example.org")])
    assert user_permitted(strict, sender) == user


def test_a_grant_that_has_ended_permits_no_sender_while_anothers_goes_on(
    strict: Authorizer, clock: FakeClock
) -> None:
    strict.record([login(clock.wall() - 3000, user="ann"), login(clock.wall(), user="bob")])
    assert user_permitted(strict, "ann@example.org") == "ann"
    clock.advance(1000)  # and not yet swept
    assert user_permitted(strict, "ann@example.org") is None


def test_what_a_shared_store_says_of_others_counts_though_it_is_not_remembered(
    strict: Authorizer, clock: FakeClock
) -> None:
    now = clock.now()
    ann, bob = (
        Grant(Network(f"{CLIENT}/32"), user, "log", None, now, now, now + 60)
        for user in ("ann", "bob")
    )
    assert strict.permit(ann, Query(CLIENT, "bob@example.org"), [ann, bob]) == Permit(bob)
    assert isinstance(strict.permit(ann, Query(CLIENT, "eve@example.org"), [ann, bob]), NoOpinion)


def test_a_revocation_is_remembered_as_long_as_the_longest_right_lasts(
    authorizer: Authorizer, clock: FakeClock
) -> None:
    network = Network("203.0.113.77/32")
    assert authorizer.memory == authorizer.policy.longest_life
    authorizer.grant(network, "203.0.113.77", "printer", 30 * 86_400)
    authorizer.revoke(network, None)
    (revoked,) = authorizer.table.revocations()
    clock.advance(29 * 86_400)
    authorizer.sweep()
    assert authorizer.table.revocations() == [revoked] == [Revoked(network, None, revoked.at)]
    clock.advance(2 * 86_400)
    authorizer.sweep()
    assert authorizer.table.revocations() == []
