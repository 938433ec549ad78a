"""Grants in memory: sessions, expiry, several users of one network."""

from poplock.authorizer import Authorizer
from poplock.core.answers import NoOpinion, Permit, Query, Unavailable
from poplock.core.clock import FakeClock
from poplock.core.events import Logout, Reset
from poplock.core.grants import MOST_SESSIONS
from tests.conftest import login, logout

ASK = Query("203.0.113.9")


def permitted(authorizer: Authorizer, client: str = "203.0.113.9") -> bool:
    return isinstance(authorizer.check(Query(client)), Permit)


def test_a_grant_ends_a_window_after_the_login(authorizer: Authorizer, clock: FakeClock) -> None:
    authorizer.record([login(clock.wall())])
    clock.advance(3599)
    assert permitted(authorizer)
    clock.advance(1)
    assert not permitted(authorizer)


def test_a_login_from_a_mapped_address_permits_the_ipv4_one(
    authorizer: Authorizer, clock: FakeClock
) -> None:
    authorizer.record([login(clock.wall(), ip="203.0.113.9")])
    assert permitted(authorizer, "::ffff:203.0.113.9")
    assert not permitted(authorizer, "203.0.113.10")


def test_an_open_session_keeps_the_right_and_its_end_starts_the_window(
    authorizer: Authorizer, clock: FakeClock
) -> None:
    authorizer.record([login(clock.wall(), session="s1")])
    clock.advance(8 * 3600)
    authorizer.sweep()
    assert permitted(authorizer)
    authorizer.record([logout(clock.wall(), "s1")])
    clock.advance(3599)
    assert permitted(authorizer)
    clock.advance(2)
    assert not permitted(authorizer)


def test_a_logout_that_never_comes_is_bounded(authorizer: Authorizer, clock: FakeClock) -> None:
    authorizer.record([login(clock.wall(), session="s1")])
    clock.advance(86_399)
    assert permitted(authorizer)
    clock.advance(1)
    assert not permitted(authorizer)


def test_the_right_lasts_until_the_last_of_two_sessions_has_ended(
    authorizer: Authorizer, clock: FakeClock
) -> None:
    authorizer.record([login(clock.wall(), session="a"), login(clock.wall(), session="b")])
    authorizer.record([logout(clock.wall(), "a")])
    clock.advance(5 * 3600)
    assert permitted(authorizer)
    authorizer.record([logout(clock.wall(), "b")])
    clock.advance(3601)
    assert not permitted(authorizer)


def test_an_end_that_is_logged_before_its_login_counts(
    authorizer: Authorizer, clock: FakeClock
) -> None:
    """As Dovecot 2.4 does with short sessions, a millisecond apart."""
    authorizer.record([logout(clock.wall() - 0.001, "s1"), login(clock.wall(), session="s1")])
    clock.advance(3601)
    assert not permitted(authorizer)


def test_another_source_can_not_end_a_session(authorizer: Authorizer, clock: FakeClock) -> None:
    authorizer.record([login(clock.wall(), session="s1")])
    authorizer.record([logout(clock.wall(), "s1", source="other")])
    clock.advance(2 * 3600)
    assert permitted(authorizer)


def test_two_users_of_one_network_have_a_grant_each(
    authorizer: Authorizer, clock: FakeClock
) -> None:
    authorizer.record([login(clock.wall(), user="ann"), login(clock.wall(), user="bob")])
    assert authorizer.table.count == 2
    lost = authorizer.revoke(None, "ann")
    assert [g.user for g in lost] == ["ann"]
    answer = authorizer.check(ASK)
    assert isinstance(answer, Permit)
    assert answer.grant.user == "bob"


def test_revoke_refuses_at_once_and_a_later_login_earns_anew(
    authorizer: Authorizer, clock: FakeClock
) -> None:
    authorizer.record([login(clock.wall(), session="s1")])
    authorizer.revoke("203.0.113.9/32", None)
    assert not permitted(authorizer)
    authorizer.record([login(clock.wall(), session="s1")])
    assert not permitted(authorizer)
    clock.advance(1)
    authorizer.record([login(clock.wall(), session="s2")])
    assert permitted(authorizer)


def test_a_grant_by_hand_right_after_a_revocation_counts(authorizer: Authorizer) -> None:
    authorizer.revoke(None, None)
    authorizer.grant("203.0.113.9/32", "203.0.113.9", "ann", 60)
    assert permitted(authorizer)


def test_a_shorter_grant_by_hand_replaces_a_longer_one(
    authorizer: Authorizer, clock: FakeClock
) -> None:
    authorizer.grant("203.0.113.9/32", "203.0.113.9", "ann", 6000)
    authorizer.grant("203.0.113.9/32", "203.0.113.9", "ann", 60)
    clock.advance(61)
    assert not permitted(authorizer)


def test_expired_grants_are_swept_and_noted(authorizer: Authorizer, clock: FakeClock) -> None:
    authorizer.record([login(clock.wall(), ip=f"203.0.113.{i}") for i in range(100)])
    clock.advance(3602)
    assert len(authorizer.sweep()) == 100
    assert authorizer.table.count == 0
    assert [d.what for d in authorizer.pending.deeds].count("expired") == 100


def test_a_client_that_opens_sessions_without_end_is_bounded(
    authorizer: Authorizer, clock: FakeClock
) -> None:
    authorizer.record([login(clock.wall(), session=f"s{i}") for i in range(1000)])
    (grant,) = authorizer.table
    assert len(grant.sessions) == MOST_SESSIONS
    assert len(authorizer.table._sessions["log"]) == MOST_SESSIONS


def test_a_name_earns_no_opinion_and_trouble_is_told_apart(authorizer: Authorizer) -> None:
    assert isinstance(authorizer.check(Query("mail.example.org")), NoOpinion)
    assert isinstance(authorizer.check(Query("")), NoOpinion)
    authorizer.trouble = "the disk is full"
    assert authorizer.check(ASK) == Unavailable("the disk is full")


def released(clock: FakeClock, session: str, ip: str | None, source: str = "log") -> Logout:
    told = logout(clock.wall(), session, source=source)
    told.ip, told.released = None if ip is None else login(0, ip=ip).ip, True
    return told


def test_an_address_given_back_ends_the_grants_of_that_source_at_once(
    authorizer: Authorizer, clock: FakeClock
) -> None:
    for ip in (None, "203.0.113.9"):  # found by the session, or told
        authorizer.record([login(clock.wall(), session=f"s1 {ip}")])
        assert permitted(authorizer)
        clock.advance(1)
        authorizer.record([released(clock, f"s1 {ip}", ip)])
        assert not permitted(authorizer)
        clock.advance(1)
    authorizer.record([login(clock.wall() - 2, session="s2")])  # told late
    assert not permitted(authorizer)
    authorizer.record([login(clock.wall(), source="other")])
    clock.advance(1)
    authorizer.record([released(clock, "s1", "203.0.113.9")])
    assert permitted(authorizer)


def test_a_login_told_after_its_address_was_given_back_earns_nothing(
    authorizer: Authorizer, clock: FakeClock
) -> None:
    authorizer.record([released(clock, "s1", None)])
    authorizer.record([login(clock.wall() - 10, session="s1")])
    assert not permitted(authorizer)
    clock.advance(60)
    authorizer.record([login(clock.wall(), session="s1")])  # the id is used again
    assert permitted(authorizer)


def test_a_server_that_starts_anew_ends_its_sessions_and_no_others(
    authorizer: Authorizer, clock: FakeClock
) -> None:
    now = clock.wall()
    for ip, session in (("192.0.2.1", "nas1/a"), ("192.0.2.2", "nas1/b"), ("192.0.2.3", "nas2/a")):
        authorizer.record([login(now, ip=ip, session=session)])
    authorizer.record([Reset(now, None, None, "radius", session="nas1/", source="log")])
    assert [permitted(authorizer, f"192.0.2.{i}") for i in (1, 2, 3)] == [False, False, True]
    assert sorted(d.what for d in authorizer.pending.deeds) == ["granted"] * 3 + ["released"] * 2


def test_a_session_that_gets_another_address_leaves_its_first_one_the_window_alone(
    authorizer: Authorizer, clock: FakeClock
) -> None:
    authorizer.record([login(clock.wall(), ip="192.0.2.1", session="nas/1")])
    clock.advance(1800)
    authorizer.record([login(clock.wall(), ip="192.0.2.2", session="nas/1")])
    clock.advance(1799)
    assert permitted(authorizer, "192.0.2.1")
    clock.advance(1)
    assert not permitted(authorizer, "192.0.2.1")
    clock.advance(36_000)
    assert permitted(authorizer, "192.0.2.2")
    authorizer.record([logout(clock.wall(), "nas/1")])
    clock.advance(3600)
    assert not permitted(authorizer, "192.0.2.2")


def test_an_earlier_login_of_a_session_told_late_opens_nothing_but_its_window(
    authorizer: Authorizer, clock: FakeClock
) -> None:
    authorizer.record([login(clock.wall(), ip="192.0.2.2", session="pid 7")])
    authorizer.record([login(clock.wall() - 60, ip="192.0.2.1", user="bob", session="pid 7")])
    clock.advance(3541)
    assert not permitted(authorizer, "192.0.2.1")
    clock.advance(36_000)
    assert permitted(authorizer, "192.0.2.2")
