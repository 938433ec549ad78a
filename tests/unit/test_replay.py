"""What old logs would have earned, by their own time."""

from collections.abc import Iterable
from typing import Any

import pytest

from poplock import replay
from poplock.core.addresses import parse_ip
from poplock.core.events import Event, Failure, Login, Logout
from poplock.core.policy import Policy, Rules
from poplock.replay import OTHERS, Replay

HOUR = 3600.0
T = 1_500_000_000.0  # long ago: the present has no part in it


def login(
    at: float, user: str | None = "ann", ip: str = "203.0.113.9", session: str | None = None
) -> Login:
    return Login(T + at, parse_ip(ip), user, "imap", session=session)


def replayed(events: Iterable[Event], rules: Rules | None = None) -> dict[str, list[Any]]:
    replay = Replay(Policy(rules or Rules()))
    for event in events:
        replay.feed(event)
    replay.finish()
    rows: dict[str, list[Any]] = {"total": [], "user": [], "network": [], "ignored": []}
    for row in replay.rows():
        rows[str(row["row"])].append(row)
    return rows


def test_a_login_is_worth_its_window_though_it_was_years_ago() -> None:
    rows = replayed([login(0)])
    (total,) = rows["total"]
    assert (total["logins"], total["grants"], total["granted_seconds"]) == (1, 1, 3600)
    (user,) = rows["user"]
    assert (user["user"], user["networks"], user["longest_seconds"]) == ("ann", 1, 3600)
    (network,) = rows["network"]
    assert (network["network"], network["users"]) == ("203.0.113.9/32", 1)


def test_a_login_within_the_window_prolongs_and_one_after_it_begins_anew() -> None:
    (total,) = replayed([login(0), login(1800), login(1800 + HOUR)])["total"]
    assert (total["grants"], total["granted_seconds"]) == (2, 5400 + 3600)
    assert total["longest_seconds"] == 5400


def test_a_session_holds_the_right_and_its_end_starts_the_window() -> None:
    end = Logout(T + 5 * HOUR, None, "ann", "imap", session="s")
    (total,) = replayed([login(0, session="s"), end, login(20 * HOUR, "bob")])["total"]
    assert total["longest_seconds"] == 6 * HOUR


def test_a_session_without_an_end_counts_to_the_end_of_the_logs_and_not_beyond() -> None:
    (total,) = replayed([login(0, session="s"), login(3 * HOUR, "bob")])["total"]
    assert total["longest_seconds"] == 3 * HOUR
    (total,) = replayed([login(0, session="s"), login(40 * HOUR, "bob")])["total"]
    assert total["longest_seconds"] == 24 * HOUR  # max_session


def test_the_peak_is_of_rights_that_are_live_at_one_time() -> None:
    events = [login(i * 2000, "u", f"203.0.113.{i}") for i in range(10)]
    (total,) = replayed(events)["total"]
    assert (total["grants"], total["peak"]) == (10, 2)


def test_a_networks_time_is_counted_once_however_many_users_it_has() -> None:
    events = [login(i * 60, f"user{i}") for i in range(6)]
    rows = replayed(events)
    (network,) = rows["network"]
    assert (network["users"], network["shared"]) == (6, True)
    assert network["granted_seconds"] == 300 + HOUR
    assert rows["total"][0]["granted_seconds"] == 6 * HOUR


def test_what_earned_nothing_is_grouped_by_its_reason() -> None:
    rules = Rules(deny_users=("*@x",), services=frozenset({"imap"}))
    pop3 = Login(T, parse_ip("203.0.113.9"), "ann", "pop3")
    events = [login(0, "a@x"), login(1, "b@x"), login(2, None), pop3]
    rows = replayed(events, rules)
    assert [(r["logins"], r["reason"]) for r in rows["ignored"]] == [
        (2, "user USER is denied (policy.deny_users)"),
        (1, "the server told only part of the user's name, or none"),
        (1, "service pop3 earns no grant here (services)"),
    ]
    assert rows["total"][0]["grants"] == 0


def test_an_address_that_was_given_back_earns_no_longer() -> None:
    back = Logout(T + 600, parse_ip("203.0.113.9"), "ann", "imap", released=True)
    (total,) = replayed([login(0), back])["total"]
    assert total["granted_seconds"] == 600


def test_a_failure_counts_as_one_and_moves_the_time() -> None:
    refused = Failure(T + 2 * HOUR, parse_ip("203.0.113.9"), "eve", "imap")
    (total,) = replayed([login(0), refused, login(0.5 * HOUR)])["total"]
    assert (total["failures"], total["ignored"]) == (1, 1)  # the last is older than the window


def test_rows_beyond_the_limit_are_counted_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MOST_ROWS", 1000)
    events = (
        login(i / 1000, f"user{i}", f"20.{i >> 16}.{i >> 8 & 255}.{i & 255}") for i in range(1050)
    )
    rows = replayed(events)
    assert len(rows["user"]) == 1001
    (others,) = [row for row in rows["user"] if row["user"] == OTHERS]
    assert others["logins"] == 50


def test_no_log_no_report() -> None:
    (total,) = replayed([])["total"]
    assert (total["logins"], total["first"], total["last"], total["peak_at"]) == (
        0,
        None,
        None,
        None,
    )
