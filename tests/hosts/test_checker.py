"""Each promise, by histories made by hand: one that keeps it and one that doesn't."""

from pathlib import Path

import pytest

from tests.hosts.checker import Contradiction, Limits, check, main
from tests.hosts.history import (
    Answer,
    History,
    Login,
    Logout,
    Operation,
    Recorder,
    Revoke,
    Told,
    Trouble,
    Word,
)

ANN, BOB = "203.0.113.9/32", "203.0.113.10/32"
LIMITS = Limits(skew=0.1)


def login(at: float, host: str = "pop1", network: str = ANN, **more: object) -> Login:
    more = {"user": "ann", "window": 3600.0} | more
    return Login(began=at, ended=at + 0.01, host=host, network=network, **more)  # type: ignore[arg-type]


def logout(at: float, session: str, told: Told = "acknowledged") -> Logout:
    return Logout(began=at, ended=at + 0.01, host="pop1", session=session, told=told)


def revoke(at: float, host: str = "smtp1", network: str | None = ANN, **more: object) -> Revoke:
    return Revoke(began=at, ended=at + 0.01, host=host, network=network, **more)  # type: ignore[arg-type]


def answer(at: float, word: Word, host: str = "smtp2", network: str = ANN, **more: str) -> Answer:
    return Answer(began=at, ended=at + 0.01, host=host, network=network, answer=word, **more)


def trouble(since: float, until: float, host: str | None, kind: str = "cut") -> Trouble:
    what = f"{kind} by the test"
    return Trouble(
        began=since,
        complete=since,
        ended=until,
        host=host,
        kind=kind,  # type: ignore[arg-type]
        what=what,
    )


def found(*operations: Operation, limits: Limits = LIMITS) -> list[Contradiction]:
    return check(History(operations), limits)


def broken(*operations: Operation, limits: Limits = LIMITS) -> str:
    """The words about the one promise that is broken."""
    (contradiction,) = found(*operations, limits=limits)
    return str(contradiction)


# No grant, no opinion.


def test_a_permit_without_any_login_is_found() -> None:
    assert "nobody ever logged in" in broken(answer(1, "permit"))
    assert not found(answer(1, "none"))


def test_a_permit_for_another_network_than_that_of_the_login_is_found() -> None:
    assert "nobody ever logged in" in broken(login(1, network=BOB), answer(2, "permit"))


def test_a_permit_before_the_login_is_found_and_one_during_it_is_not() -> None:
    assert "only after the reply" in broken(login(1), answer(0.5, "permit"))
    assert not found(login(1), answer(0.995, "permit"))


def test_a_permit_by_somebody_elses_login_is_found() -> None:
    words = broken(login(1), answer(2, "permit", user="bob"))
    assert "the permit names bob" in words
    assert not found(login(1), answer(2, "permit", user="ann"))


# A login earns a grant, at once, everywhere; nothing is lost.


def test_a_none_after_an_acknowledged_login_is_found() -> None:
    words = broken(login(1), answer(1.02, "none"))
    assert words == (
        "+0.020 s to +0.030 s: smtp2 answered 'none' for 203.0.113.9/32\n"
        "    +0.000 s to +0.010 s: ann logged in from 203.0.113.9/32 at pop1 (acknowledged),"
        " which counts from +0.010 s until +3599.900 s at least"
    )


def test_a_none_while_the_login_is_being_told_is_right() -> None:
    assert not found(login(1), answer(1.005, "none"))


def test_a_login_without_acknowledgement_may_count_or_not() -> None:
    lost = login(1, told="unanswered")
    assert not found(lost, answer(2, "none"), answer(3, "none"))
    assert not found(lost, answer(2, "none"), answer(3, "permit"), answer(4, "permit"))


def test_a_login_without_acknowledgement_that_counted_once_counts_on() -> None:
    lost = login(1, told="unanswered")
    words = broken(lost, answer(2, "permit"), answer(3, "none"))
    assert "not after what the same host had answered" in words
    assert "smtp2 answered 'permit'" in words


def test_a_line_in_a_log_counts_after_the_time_that_following_it_takes() -> None:
    line = login(1, told="logged")
    assert not found(line, answer(3, "none"))
    assert "(in its log)" in broken(line, answer(6.1, "none"))


def test_a_login_told_to_a_host_that_is_cut_off_counts_there_at_once_and_elsewhere_later() -> None:
    cut = trouble(0, 20, "pop1")
    assert not found(cut, login(1), answer(2, "none"))
    assert "counts from" in broken(cut, login(1), answer(2, "none", host="pop1"))
    assert "counts from +25.000 s" in broken(cut, login(1), answer(26, "none"))


def test_a_host_that_is_cut_off_may_not_say_none_to_a_client_with_a_grant() -> None:
    cut = trouble(2, 20, "smtp2")
    assert "logged in" in broken(login(1), cut, answer(5, "none"))
    assert not found(login(1), cut, answer(5, "unavailable"), answer(6, "permit"))


def test_a_login_acknowledged_before_a_failover_isnt_lost_by_it() -> None:
    failover = trouble(2, 4, None, "store")
    assert "counts from +0.010 s" in broken(login(1), failover, answer(5, "none"))


# A grant ends.


def test_a_permit_after_the_window_is_found() -> None:
    earned = login(1, window=60.0)
    assert not found(earned, answer(61.05, "permit"))
    assert "over by +60.110 s" in broken(earned, answer(61.2, "permit"))


def test_a_none_long_before_the_end_is_found_and_one_within_the_skew_is_not() -> None:
    earned = login(1, window=60.0)
    assert "until +59.900 s" in broken(earned, answer(60, "none"))
    assert not found(earned, answer(60.95, "none"))


def test_a_second_login_makes_the_grant_last_longer() -> None:
    assert not found(login(1, window=60.0), login(50, window=60.0), answer(100, "permit"))
    assert found(login(1, window=60.0), login(50, window=60.0), answer(100, "none"))


def test_a_grant_that_was_seen_to_end_doesnt_come_back() -> None:
    earned = login(1, window=60.0)
    both = found(earned, answer(100, "permit"), limits=Limits(skew=50))
    assert not both
    words = broken(earned, answer(90, "none"), answer(100, "permit"), limits=Limits(skew=50))
    assert "not after what the same host had answered" in words


def test_an_open_session_lasts_until_its_limit_and_a_window_longer_than_its_end() -> None:
    opened = login(1, window=60.0, session="s1", max_session=600.0)
    assert not found(opened, answer(500, "permit"))
    assert "until +599.900 s" in broken(opened, answer(500, "none"))
    assert "over by +600.110 s" in broken(opened, answer(602, "permit"))
    closed = logout(300, "s1")
    assert not found(opened, closed, answer(359, "permit"))
    assert "over by" in broken(opened, closed, answer(361, "permit"))
    assert "logged in" in broken(opened, closed, answer(359, "none"))


def test_a_logout_without_acknowledgement_leaves_both_ends_possible() -> None:
    opened = login(1, window=60.0, session="s1", max_session=600.0)
    closed = logout(300, "s1", "unanswered")
    assert not found(opened, closed, answer(500, "permit"))
    assert not found(opened, closed, answer(500, "none"))


# A revocation never comes back.


@pytest.mark.parametrize(
    ("network", "user"), [(ANN, None), (None, "ann"), (ANN, "ann"), (None, None)]
)
def test_a_permit_later_than_a_second_after_a_revocation_is_found(
    network: str | None, user: str | None
) -> None:
    taken = revoke(5, network=network, user=user)
    assert not found(login(1), taken, answer(5.9, "permit"))
    words = broken(login(1), taken, answer(6.1, "permit"))
    assert "was revoked on smtp1 (confirmed)" in words
    assert "smtp2 had to refuse it from +5.010 s on" in words


def test_a_revocation_of_somebody_else_changes_nothing() -> None:
    assert not found(login(1), revoke(5, network=BOB), answer(9, "permit"))
    assert not found(login(1), revoke(5, network=None, user="bob"), answer(9, "permit"))


def test_a_revocation_that_was_not_confirmed_may_count_or_not() -> None:
    taken = revoke(5, confirmed=False)
    assert not found(login(1), taken, answer(9, "permit"))
    assert not found(login(1), taken, answer(9, "none"))


def test_a_revoked_grant_that_was_refused_once_doesnt_come_back_even_within_the_second() -> None:
    told = login(1), revoke(5), answer(5.2, "none")
    words = broken(*told, answer(5.4, "permit"))
    assert "not after what the same host had answered" in words
    assert not found(*told, answer(5.4, "permit", host="smtp1")), "another may not have heard yet"


def test_a_login_after_a_revocation_counts() -> None:
    assert not found(login(1), revoke(5), login(6), answer(8, "permit"))
    assert found(login(1), revoke(5), login(6), answer(8, "none"))


def test_a_login_nearer_to_a_revocation_than_the_clocks_is_in_doubt() -> None:
    for word in ("permit", "none"):
        assert not found(revoke(5), login(5.05), answer(8, word))  # type: ignore[arg-type]
        assert not found(login(4.95), revoke(5), answer(8, word))  # type: ignore[arg-type]


def test_a_host_that_is_cut_off_may_permit_what_was_revoked_while_its_view_may_be_stale() -> None:
    cut = trouble(4, 30, "smtp2")
    assert not found(login(1), cut, revoke(5), answer(13.9, "permit"))
    assert "cut off since +3.000 s" in broken(login(1), cut, answer(14.1, "permit"))


def test_a_host_whose_link_has_healed_refuses_what_was_revoked_a_second_later() -> None:
    cut = trouble(4, 7, "smtp2")
    assert not found(login(1), cut, revoke(5), answer(7.9, "permit"))
    assert "from +7.000 s on" in broken(login(1), cut, revoke(5), answer(8.1, "permit"))


def test_a_slow_link_gives_a_revocation_no_more_than_the_staleness() -> None:
    poor = trouble(4, 60, "smtp2", "poor")
    assert not found(login(1), poor, revoke(5), answer(15, "permit"))
    assert "had to refuse it" in broken(login(1), poor, revoke(5), answer(15.1, "permit"))


def test_a_revocation_that_a_host_confirmed_while_cut_off_is_delivered_later() -> None:
    cut = trouble(4, 30, "smtp1")
    assert not found(login(1), cut, revoke(5), answer(35.9, "permit"))
    assert "had to refuse" in broken(login(1), cut, revoke(5), answer(36.1, "permit"))
    assert "had to refuse" in broken(login(1), cut, revoke(5), answer(6.1, "permit", host="smtp1"))


# In doubt, softly; without doubt, not.


def test_unavailable_needs_a_trouble() -> None:
    assert "without a trouble since" in broken(login(1), answer(20, "unavailable"))
    for host in ("smtp2", None):
        told = login(1), trouble(2, 6, host)
        assert not found(*told, answer(20, "unavailable"))
        assert "without a trouble" in broken(*told, answer(21.1, "unavailable"))
    assert "without a trouble" in broken(trouble(2, 6, "smtp1"), answer(3, "unavailable"))


# Answers that each could be, and together can't.


def test_two_logins_of_which_nothing_is_known_explain_no_third_coming() -> None:
    logins = login(1, told="unanswered"), login(1, told="unanswered", user="bob")
    taken = [revoke(t, confirmed=False) for t in (3, 5)]
    words: list[Word] = ["permit", "none", "permit", "none", "permit"]
    answers = [answer(2 + number, word) for number, word in enumerate(words)]
    assert not found(*logins, *taken, *answers[:4])
    (last,) = found(*logins, *taken, *answers)
    assert last.answer is answers[4]


def test_answers_that_overlap_may_have_been_given_in_any_order() -> None:
    slow = Answer(began=4, ended=8, host="smtp2", network=ANN, answer="permit")
    assert not found(login(1), revoke(5), answer(5.5, "none"), slow)
    assert found(login(1), revoke(5), answer(5.5, "none"), answer(5.6, "permit"), slow)


def test_one_contradiction_hides_no_other() -> None:
    told = answer(1, "permit"), login(2), answer(3, "none"), revoke(4), answer(6, "permit")
    assert [c.answer for c in found(*told)] == [told[0], told[2], told[4]]


# Histories on disk.


def test_a_recorded_history_is_read_back_as_it_was(tmp_path: Path) -> None:
    ticks = iter(range(100))
    recorder = Recorder(lambda: float(next(ticks)))
    recorder.login("pop1", ANN, "ann", lambda: "acknowledged", window=60.0, session="s1")
    recorder.logout("pop1", "s1", lambda: "logged")
    with recorder.trouble("smtp1", "cut", "link cut") as complete:
        complete()
        recorder.revoke("smtp2", lambda: True, user="ann")
    recorder.ask("smtp1", ANN, lambda: "unavailable")
    recorder.write(tmp_path / "history.jsonl")
    read = History.read(tmp_path / "history.jsonl").operations
    assert read == recorder.operations
    assert [(type(o).__name__, o.began, o.ended) for o in read] == [
        ("Login", 0, 1),
        ("Logout", 2, 3),
        ("Revoke", 6, 7),
        ("Trouble", 4, 8),
        ("Answer", 9, 10),
    ]


def test_what_fails_while_it_is_told_is_recorded_as_perhaps_done() -> None:
    def fail() -> bool:
        raise OSError

    recorder = Recorder()
    with pytest.raises(OSError):
        recorder.revoke("smtp1", fail, network=ANN)
    (only,) = recorder.operations
    assert isinstance(only, Revoke) and not only.confirmed


def test_the_command_tells_of_each_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    History([login(1), answer(2, "permit")]).write(good)
    History([answer(2, "permit")]).write(bad)
    assert main([str(good)]) == 0
    assert main([str(good), str(bad)]) == 1
    assert f"{bad}: 1 operations, 1 broken promises" in capsys.readouterr().out
