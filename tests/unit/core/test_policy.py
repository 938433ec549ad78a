"""Which logins earn what."""

from ipaddress import ip_network

import pytest

from poplock.core.addresses import NetworkSet
from poplock.core.events import NOW as ON_ARRIVAL
from poplock.core.grants import Ended, Grant, Revoked
from poplock.core.policy import NEVER, Ignore, Policy, Rules
from tests.conftest import login, logout

NOW = 1_800_000_000.0


def decide(event, **rules):  # type: ignore[no-untyped-def]
    return Policy(Rules(**rules)).decide(event, NOW)


def test_a_login_earns_the_window() -> None:
    decision = decide(login(NOW), window=600.0)
    assert isinstance(decision, Grant)
    assert decision.network == "203.0.113.9/32"
    assert decision.expires_at == NOW + 600


def test_an_ipv6_login_opens_its_prefix() -> None:
    decision = decide(login(NOW, ip="2001:db8:1:2:3::4"))
    assert isinstance(decision, Grant)
    assert decision.network == "2001:db8:1:2::/64"
    assert decision.address == "2001:db8:1:2:3::4"


def test_login_older_than_window_earns_nothing() -> None:
    assert isinstance(decide(login(NOW - 3601)), Ignore)


def test_an_open_session_counts_though_its_login_is_older_than_the_window() -> None:
    decision = decide(login(NOW - 7200, session="s1"))
    assert isinstance(decision, Grant)
    assert decision.expires_at == NOW - 7200 + 86_400


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "169.254.1.1",
        "224.0.0.1",
        "100.64.0.1",
        "::1",
        "::",
        "fe80::1",
        "ff02::1",
    ],
)
def test_networks_that_never_earn_a_grant_by_default(ip: str) -> None:
    never = NetworkSet(tuple(ip_network(n) for n in NEVER))
    assert isinstance(decide(login(NOW, ip=ip), never=never), Ignore)


def test_the_hosts_own_addresses_earn_nothing() -> None:
    policy = Policy(Rules(), NetworkSet((ip_network("203.0.113.9/32"),)))
    decision = policy.decide(login(NOW), NOW)
    assert isinstance(decision, Ignore)
    assert "own address" in decision.why


@pytest.mark.parametrize(
    ("event", "rules"),
    [
        (login(NOW, service="smtp"), {}),
        (login(NOW, tls=False), {"require_tls": True}),
        (login(NOW, tls=None), {"require_tls": True}),
        (login(NOW), {"deny_users": ("an*",)}),
        (login(NOW), {"allow_users": ("bob", "*@example.org")}),
        (login(NOW, user=None), {}),
        (login(NOW, user=""), {}),
    ],
)
def test_logins_that_the_operator_does_not_count(event, rules) -> None:  # type: ignore[no-untyped-def]
    assert isinstance(decide(event, **rules), Ignore)


def test_a_denied_user_is_denied_though_allowed() -> None:
    rules = {"allow_users": ("*",), "deny_users": ("ann",)}
    assert isinstance(decide(login(NOW), **rules), Ignore)


def test_a_logout_without_a_session_changes_nothing() -> None:
    assert isinstance(decide(logout(NOW, None)), Ignore)  # type: ignore[arg-type]
    assert isinstance(decide(logout(NOW, "s1")), Ended)


def test_each_source_has_rules_of_its_own() -> None:
    radius = Rules(window=300.0, services=frozenset({"radius"}))
    policy = Policy(Rules(), sources={"radius": radius})
    told = policy.decide(login(NOW, service="radius", source="radius"), NOW)
    assert isinstance(told, Grant)
    assert told.expires_at == NOW + 300
    assert isinstance(policy.decide(login(NOW, service="radius"), NOW), Ignore)
    read = policy.decide(login(NOW), NOW)
    assert isinstance(read, Grant)
    assert read.expires_at == NOW + 3600
    assert policy.longest_life == 86_400 + 3600


def test_what_is_told_as_it_happens_counts_from_now() -> None:
    decision = decide(login(ON_ARRIVAL), window=600.0)
    assert isinstance(decision, Grant)
    assert decision.last_login == NOW


def test_an_address_given_back_ends_what_it_earned_if_the_source_may() -> None:
    over = logout(NOW, "s1")
    over.released, over.ip = True, login(NOW).ip
    decision = decide(over)
    assert decision == Revoked("203.0.113.9/32", "ann", NOW, "log")
    assert decide(over, ends=False) == Ended("s1", "log", NOW, 3600.0)
