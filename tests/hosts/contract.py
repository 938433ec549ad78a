"""What every way of keeping grants promises, as tests over a `site` (`tests.hosts.members`).

tests/contract runs them over memory and SQLite, tests/servers over Redis and Valkey, alone, with
Sentinel and as a cluster. `first` and `last` are two hosts where there are several, else the same.
"""

import pytest

from .members import RULES, SOURCES, Site

CLIENT, OTHER = "203.0.113.9", "203.0.113.10"
WINDOW, LIMIT = RULES.window, RULES.max_session


class Contract:
    """Inherit from it beside a fixture `site`."""

    @pytest.fixture
    def first(self, site: Site) -> str:
        return next(iter(site.hosts))

    @pytest.fixture
    def last(self, site: Site) -> str:
        return list(site.hosts)[-1]

    def test_without_a_login_there_is_no_opinion(self, site: Site) -> None:
        assert site.answers() == {"none"}

    def test_a_login_counts_at_once_on_every_host(self, site: Site, first: str, last: str) -> None:
        site.login(first)
        assert site.answers() == {"permit"}
        assert site.answers(OTHER) == {"none"}
        site.login(last, OTHER)
        assert site.answers(OTHER) == {"permit"}

    def test_an_ipv6_login_counts_for_its_whole_network(self, site: Site, first: str) -> None:
        site.login(first, "2001:db8:1:2::3")
        assert site.answers("2001:db8:1:2:ffff::9") == {"permit"}
        assert site.answers("2001:db8:1:3::3") == {"none"}

    def test_a_grant_ends_a_window_after_the_last_login_wherever_that_was(
        self, site: Site, first: str, last: str
    ) -> None:
        site.login(first)
        site.wait(WINDOW - 10)
        assert site.answers() == {"permit"}
        site.login(last)
        site.wait(WINDOW - 10)
        assert site.answers() == {"permit"}
        site.wait(20)
        assert site.answers() == {"none"}

    def test_an_older_login_told_later_makes_nothing_shorter(
        self, site: Site, first: str, last: str
    ) -> None:
        site.login(first)
        site.login(last, ago=WINDOW / 2)
        site.wait(WINDOW - 10)
        assert site.answers() == {"permit"}

    def test_a_source_has_its_own_window(self, site: Site, first: str, last: str) -> None:
        site.login(first, source="short")
        site.wait(SOURCES["short"].window + 10)
        assert site.answers() == {"none"}
        site.login(first, source="short")
        site.login(last, ago=60)
        site.wait(SOURCES["short"].window + 10)
        assert site.answers() == {"permit"}

    def test_an_open_session_holds_its_grant_and_its_end_starts_the_window(
        self, site: Site, first: str
    ) -> None:
        site.login(first, session="s1")
        site.wait(3 * WINDOW)
        assert site.answers() == {"permit"}
        site.logout(first, "s1")
        site.wait(WINDOW - 10)
        site.until_all_say("permit")
        site.wait(20)
        assert site.answers() == {"none"}

    def test_a_logout_that_never_comes_holds_no_longer_than_the_limit(
        self, site: Site, first: str
    ) -> None:
        site.login(first, session="s1")
        site.wait(LIMIT - 10)
        assert site.answers() == {"permit"}
        site.wait(20)
        assert site.answers() == {"none"}

    def test_an_address_that_is_given_back_is_refused_at_once(self, site: Site, first: str) -> None:
        site.login(first, session="s1")
        assert site.answers() == {"permit"}
        site.wait(60)
        site.logout(first, "s1", released=True)
        site.until_all_say("none")

    def test_a_revocation_is_obeyed_where_it_was_given_and_soon_everywhere(
        self, site: Site, first: str, last: str
    ) -> None:
        site.login(first)
        site.login(first, OTHER)
        assert site.answers() == site.answers(OTHER) == {"permit"}
        site.wait(60)
        site.revoke(last, CLIENT)
        assert site.answer(last) == "none"
        site.until_all_say("none")
        assert site.answers(OTHER) == {"permit"}

    def test_revoking_a_user_leaves_others_of_the_same_network(
        self, site: Site, first: str, last: str
    ) -> None:
        site.login(first, user="ann")
        site.login(last, user="bob")
        site.login(last, OTHER, user="ann")
        site.wait(60)
        site.revoke(first, user="ann")
        site.until_all_say("none", OTHER)
        assert site.answers() == {"permit"}
        site.revoke(last, user="bob")
        site.until_all_say("none")

    def test_revoking_all_leaves_nothing(self, site: Site, first: str, last: str) -> None:
        for number in range(5):
            site.login(first, f"198.51.100.{number}", user=f"user{number}", session=f"s{number}")
        site.wait(60)
        site.revoke(last)
        for number in range(5):
            site.until_all_say("none", f"198.51.100.{number}")

    def test_a_login_after_a_revocation_counts_and_one_before_it_told_later_does_not(
        self, site: Site, first: str, last: str
    ) -> None:
        site.revoke(last, CLIENT)
        site.wait(10)
        site.login(first, ago=60)
        site.until_all_say("none")
        site.login(first)
        site.until_all_say("permit")


class Lasting(Contract):
    """And where something is kept."""

    def test_a_restart_forgets_no_login_and_no_revocation(
        self, site: Site, first: str, last: str
    ) -> None:
        site.login(first)
        site.login(first, OTHER)
        site.wait(60)
        site.revoke(last, OTHER)
        for killed in (True, False):
            for host in list(site.hosts):
                site.restart(host, killed=killed)
            site.until_all_say("permit")
            site.until_all_say("none", OTHER)
            site.login(first, OTHER, ago=120)  # its log is read again
            site.until_all_say("none", OTHER)

    def test_a_sources_position_is_kept_together_with_what_it_led_to(
        self, site: Site, first: str
    ) -> None:
        site.login(first, position="line 7")
        site.restart(first, killed=True)
        store = site.hosts[first].store
        assert store is not None
        assert store.positions()["log"] == "line 7"
        site.until_all_say("permit")

    def test_an_open_session_can_be_ended_after_a_restart(self, site: Site, first: str) -> None:
        site.login(first, session="s1")
        site.restart(first, killed=True)
        site.wait(2 * WINDOW)
        site.until_all_say("permit")
        site.logout(first, "s1")
        site.wait(WINDOW + 10)
        site.until_all_say("none")
