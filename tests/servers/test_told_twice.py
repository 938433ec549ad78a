"""One session of which two hosts are told: what its end comes to, and that nothing outlasts it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from poplock.config.shared import SharedSection
from testbed.engines import Server
from tests.hosts.members import RULES, Site

WINDOW, LIMIT = RULES.window, RULES.max_session


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def site(server: Server, tmp_path: Path) -> Iterator[Site]:
    """A POP host, a log server that is sent its log, and who asks."""
    with Site(tmp_path, ["pop", "log", "smtp"], SharedSection(nodes=(server.address,))) as site:
        yield site


def told(site: Site, pop: str = "log", log: str = "log") -> None:
    """Both are told of one login, each by a source of its own or by one of the same name."""
    site.login("pop", session="s1", source=pop)
    site.login("log", session="s1", source=log)
    site.wait(60)
    site.until_all_say("permit")


@pytest.mark.parametrize("log", ["log", "syslog"])
def test_an_end_that_both_are_told_of_starts_the_window(site: Site, log: str) -> None:
    told(site, log=log)
    site.logout("pop", "s1")
    site.logout("log", "s1", source=log)
    site.wait(WINDOW - 10)
    site.until_all_say("permit")
    site.wait(20)
    site.until_all_say("none")


@pytest.mark.parametrize("log", ["log", "syslog"])
def test_an_end_that_one_is_told_of_leaves_the_others_word_until_its_limit(
    site: Site, log: str
) -> None:
    told(site, log=log)
    site.logout("pop", "s1")
    site.wait(WINDOW + 10)
    site.until_all_say("permit")
    site.wait(LIMIT - WINDOW - 60)
    site.until_all_say("none")


def test_an_end_told_where_the_login_was_not_ends_nothing_and_the_limit_holds(site: Site) -> None:
    site.login("pop", session="s1")
    site.logout("log", "s1")
    site.wait(LIMIT - 10)
    site.until_all_say("permit")
    site.wait(20)
    site.until_all_say("none")
