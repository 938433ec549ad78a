"""The laws of merging: replayed, reordered, revoked, with clocks that step."""

from dataclasses import replace
from ipaddress import ip_address

from hypothesis import given, settings
from hypothesis import strategies as st

from poplock.core.clock import FakeClock
from poplock.core.events import Event, Login, Logout
from poplock.core.grants import Ended, Grant, Revoked
from poplock.core.policy import Policy, Rules
from poplock.core.table import GrantTable

NOW = 1_800_000_000.0
RULES = Rules(window=3600.0, max_session=86_400.0)

users = st.sampled_from(["ann", "bob"])
addresses = st.sampled_from(["203.0.113.9", "203.0.113.10", "2001:db8::1", "2001:db8::2"])
times = st.integers(0, 2 * 86_400).map(lambda ago: NOW - ago)


@st.composite
def one_host(draw: st.DrawFn, name: str) -> list[Event | Revoked]:
    """Events of one server: logins, word of sessions that are open, some of their ends,
    revocations."""
    events: list[Event | Revoked] = []
    for i in range(draw(st.integers(0, 6))):
        at, user, ip = draw(times), draw(users), draw(addresses)
        session = f"{name}{i}" if draw(st.booleans()) else None
        events.append(Login(at, ip_address(ip), user, "imap", None, session, name))
        if session and draw(st.booleans()):
            heard = min(at + draw(st.integers(0, 100_000)), NOW)
            still = Login(heard, ip_address(ip), user, "imap", None, session, name, since=at)
            events.append(still)
        if session and draw(st.booleans()):
            end = min(at + draw(st.integers(0, 100_000)), NOW)
            events.append(Logout(end, None, user, "imap", None, session, name))
    for _ in range(draw(st.integers(0, 2))):
        network = draw(st.sampled_from([None, "203.0.113.9/32", "2001:db8::/64"]))
        events.append(Revoked(network, draw(st.one_of(st.none(), users)), draw(times)))
    return events


def table_of(events: list[Event | Revoked], now: float = NOW) -> GrantTable:
    policy, table = Policy(RULES), GrantTable()
    for event in events:
        if isinstance(event, Revoked):
            table.revoke(event)
            continue
        match policy.decide(replace(event), now):
            case Grant() as grant:
                table.give(grant)
            case Ended() as ended:
                table.end(ended)
    return table


def rights(table: GrantTable, now: float = NOW) -> list[Grant]:
    """The live grants. `granted_at` is left out: it tells people since when a right is known,
    which after a revocation that came late depends on which logins were still remembered."""
    live = [replace(g, granted_at=0.0) for g in table if g.live_at(now)]
    return sorted(live, key=lambda g: g.key)


@given(one_host("a"))
def test_replaying_events_twice_equals_once(events: list[Event | Revoked]) -> None:
    assert rights(table_of(events + events)) == rights(table_of(events))


@settings(max_examples=400)
@given(one_host("a"), one_host("b"), st.randoms(use_true_random=False))
def test_any_order_of_two_hosts_events_gives_the_same_grants(a, b, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = a + b
    random.shuffle(shuffled)
    assert rights(table_of(shuffled)) == rights(table_of(a + b))


@given(one_host("a"), st.randoms(use_true_random=False), users)
def test_a_revocation_never_comes_back(events, random, user) -> None:  # type: ignore[no-untyped-def]
    """Whatever was earned before stays revoked, however often and in what order it is told."""
    revoked = Revoked(None, user, NOW)
    told = [*events, revoked, *events]
    random.shuffle(told)
    assert not [g for g in table_of(told) if g.user == user]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("step"), st.integers(-200_000, 200_000)),
            st.tuples(st.just("pass"), st.integers(0, 4000)),
        ),
        max_size=8,
    )
)
def test_no_clock_step_lengthens_a_grant(moves: list[tuple[str, int]]) -> None:
    clock, policy, table = FakeClock(NOW), Policy(RULES), GrantTable()
    event = Login(clock.wall(), ip_address("203.0.113.9"), "ann", "pop3", source="log")
    decision = policy.decide(event, clock.now())
    assert isinstance(decision, Grant)
    table.give(decision)
    passed = 0
    for move, seconds in moves:
        if move == "step":
            clock.step(seconds)
        else:
            clock.advance(seconds)
            passed += seconds
        live = table.best(decision.network, clock.now()) is not None
        assert not (live and passed >= RULES.window)
        if all(m == "pass" or s <= 0 for m, s in moves):  # steps back don't shorten it either
            assert live == (passed < RULES.window)


@given(st.integers(-100_000, 100_000), st.integers(0, 10_000))
def test_a_login_stamped_by_a_wrong_clock_lives_no_longer(skew: int, passed: int) -> None:
    """A stamp in the future counts as now; one in the past as it says."""
    policy = Policy(RULES)
    decision = policy.decide(
        Login(NOW + skew, ip_address("203.0.113.9"), "ann", "pop3", source="log"), NOW
    )
    if isinstance(decision, Grant):
        assert decision.expires_at <= NOW + RULES.window
        assert decision.live_at(NOW + passed) == (passed < RULES.window + min(skew, 0))
    else:
        assert skew <= -RULES.window
