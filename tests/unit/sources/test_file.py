"""What a log's logins mean while it is being caught up."""

from poplock.sources.file import OldSessions
from tests.conftest import login, logout

NOW = 1_800_000_000.0


def test_a_recent_login_counts_at_once() -> None:
    old = OldSessions(3600)
    recent = login(NOW - 60, session="s")
    assert old.pass_on([recent], NOW) == [recent]
    assert not old


def test_an_old_session_counts_if_it_ended_within_the_window() -> None:
    old = OldSessions(3600)
    first, end = login(NOW - 7200, session="s"), logout(NOW - 60, "s")
    assert old.pass_on([first], NOW) == []
    assert old.pass_on([end], NOW) == [first, end]


def test_an_old_session_that_ended_long_ago_never_counts() -> None:
    old = OldSessions(3600)
    assert old.pass_on([login(NOW - 9000, session="s"), logout(NOW - 8000, "s")], NOW) == []
    assert old.release() == []


def test_an_old_session_without_an_end_counts_when_the_log_is_read() -> None:
    old = OldSessions(3600)
    first = login(NOW - 7200, session="s")
    old.pass_on([first], NOW)
    assert old
    assert old.release() == [first]
    assert not old


def test_what_has_no_session_is_passed_on() -> None:
    old = OldSessions(3600)
    events = [login(NOW - 7200), logout(NOW, "unknown")]
    assert old.pass_on(events, NOW) == events
