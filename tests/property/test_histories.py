"""The checker passes what a right site does, whatever is done to it, and finds each planted bug."""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hosts.checker import check
from tests.hosts.history import History
from tests.hosts.simulation import HEARD_WITHIN, LIMITS, Bug, Site

HOSTS = ("pop1", "pop2", "smtp1", "smtp2")
NETWORKS = ("203.0.113.9/32", "203.0.113.10/32")
USERS = ("ann", "bob")
WORDS = {
    Bug.INVALIDATION: "had to refuse it from",
    Bug.LOST_WRITE: "which counts from",
    Bug.FORGOTTEN: "was revoked on",
    Bug.NONE_IN_DOUBT: "answered 'none'",
    Bug.CLOCK: "which counts from",
}
"""What the report says of each, among the rest."""


def at_random(random: Random, steps: int, bug: Bug | None = None) -> History:
    """A site to which things happen: more questions than changes, as anywhere."""
    site = Site(HOSTS, bug)
    for _ in range(steps):
        site.wait(random.choice([0.0, 0.01, 0.3, 1.5, 12.0, 40.0]))
        host, network = random.choice(HOSTS), random.choice(NETWORKS)
        around = random.choice([0.001, 0.05, 0.4])
        match random.randrange(16):
            case 0 | 1 | 2:
                site.login(
                    host, network, random.choice(USERS), random.choice([20.0, 600.0]), around
                )
            case 3:
                network_or_all = random.choice([None, network])
                user = random.choice([None, *USERS])
                site.revoke(host, network_or_all, user, around, random.uniform(0, HEARD_WITHIN))
            case 4:
                site.cut(host)
            case 5:
                site.heal(host)
            case 6:
                site.failover(random.uniform(0.1, 14.0))
            case 7:
                site.restart(host)
            case 8:
                site.replicate()
            case _:
                site.ask(host, network, around)
    return site.end()


@settings(max_examples=300)
@given(st.randoms(use_true_random=False), st.integers(1, 80))
def test_a_right_site_is_never_accused(random: Random, steps: int) -> None:
    assert [str(found) for found in check(at_random(random, steps), LIMITS)] == []


@pytest.mark.parametrize("bug", Bug)
def test_a_bug_shows_in_what_happens_at_random(bug: Bug) -> None:
    """In a fair part of runs of a few hundred steps."""
    caught = [seed for seed in range(10) if check(at_random(Random(seed), 300, bug), LIMITS)]
    assert len(caught) > 2


def miss_an_invalidation(site: Site) -> None:
    site.login("pop1", NETWORKS[0], "ann", 600, 0.01)
    site.wait(1)
    site.ask("smtp2", NETWORKS[0], 0.001)
    site.wait(1)
    site.revoke("smtp1", NETWORKS[0], None, 0.01, 0.2)
    site.wait(2)
    site.ask("smtp2", NETWORKS[0], 0.001)


def lose_a_write(site: Site) -> None:
    site.replicate()
    site.login("pop1", NETWORKS[0], "ann", 600, 0.01)
    site.wait(1)
    site.failover(3)
    site.wait(2)
    site.ask("smtp2", NETWORKS[0], 0.001)


def tell_again(site: Site) -> None:
    site.login("pop1", NETWORKS[0], "ann", 600, 0.01)
    site.wait(1)
    site.cut("pop1")
    site.wait(1)
    site.revoke("smtp1", None, "ann", 0.01, 0.2)
    site.wait(2)
    site.ask("smtp2", NETWORKS[0], 0.001)
    site.heal("pop1")
    site.wait(2)
    site.ask("smtp2", NETWORKS[0], 0.001)


def doubt(site: Site) -> None:
    site.login("pop1", NETWORKS[0], "ann", 600, 0.01)
    site.wait(1)
    site.cut("smtp2")
    site.wait(1)
    site.ask("smtp2", NETWORKS[0], 0.001)
    site.wait(15)
    site.ask("smtp2", NETWORKS[0], 0.001)


def be_an_hour_behind(site: Site) -> None:
    site.login("pop1", NETWORKS[0], "ann", 600, 0.01)
    site.wait(1)
    site.ask("smtp2", NETWORKS[0], 0.001)


STORIES: dict[Bug, Callable[[Site], None]] = {
    Bug.INVALIDATION: miss_an_invalidation,
    Bug.LOST_WRITE: lose_a_write,
    Bug.FORGOTTEN: tell_again,
    Bug.NONE_IN_DOUBT: doubt,
    Bug.CLOCK: be_an_hour_behind,
}


@pytest.mark.parametrize("bug", Bug)
def test_the_report_names_the_answer_and_the_operations_it_contradicts(bug: Bug) -> None:
    right, wrong = Site(HOSTS), Site(HOSTS, bug)
    for site in right, wrong:
        STORIES[bug](site)
    assert not check(right.end(), LIMITS)
    found = check(wrong.end(), LIMITS)
    assert {(c.answer.host, c.answer.network) for c in found} == {("smtp2", NETWORKS[0])}
    assert WORDS[bug] in str(found[0])
    assert "ann logged in from 203.0.113.9/32 at pop1 (acknowledged)" in str(found[0])
