"""Real servers, one root for each worker, release and kind."""

from collections.abc import Iterator

import pytest

from testbed import servers
from testbed.host import Host
from testbed.roots import RELEASES
from tests.matrix.route import Route

LONGEST = (
    "many_hosts",
    "stores",
    "rotation",
    "dovecot_postfix",
    "dovecot_http",
    "matrix",
    "journal",
    "attacks",
    "other_checks",
)
"""The files whose groups take longest, so that none of them is begun last."""


@pytest.hookimpl(trylast=True)  # pytest itself sorts by fixtures
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one root stay on one worker, and the longest groups come first.

    A file's tests share its roots, one for each value of the parameters that say what runs in
    them; those of the matrix have one each.
    """
    ours = [item for item in items if "tests/servers" in str(item.path)]
    for item in ours:
        params = item.callspec.params if hasattr(item, "callspec") else {}
        root = [_named(params[name]) for name in _ROOTS if name in params]
        item.add_marker(pytest.mark.servers)
        item.add_marker(pytest.mark.xdist_group(" ".join([item.path.stem, *root])))
    ours.sort(key=_turn)
    items[:] = [item for item in items if item not in set(ours)] + ours


_ROOTS = ("pop_name", "exim", "sendmail", "route", "release")


def _named(value: object) -> str:
    """A parameter's value in the name of a group: a release, a server, a route, or a pair."""
    if isinstance(value, tuple):
        return " ".join(map(_named, value))
    return value.name if isinstance(value, Route) else str(value)


def _turn(item: pytest.Item) -> int:
    name = item.path.stem.removeprefix("test_")
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


@pytest.fixture(scope="session", params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def dovecot_postfix(release: str) -> Iterator[Host]:
    with Host(release, servers.DOVECOT_POSTFIX, servers.PREPARE_POSTFIX) as host:
        servers.start_rsyslog(host)
        servers.start_dovecot(host)
        servers.start_postfix(host, {})
        yield host


@pytest.fixture(scope="module")
def courier(release: str) -> Iterator[Host]:
    with Host(release, servers.COURIER) as host:
        servers.start_rsyslog(host)
        servers.start_courier(host)
        yield host


@pytest.fixture(scope="session", params=servers.POP_SERVERS)
def pop_name(request: pytest.FixtureRequest) -> str:
    """Each POP/IMAP server that Debian has, by its dialect's name."""
    return str(request.param)


@pytest.fixture(scope="session")
def pop_host(release: str, pop_name: str) -> Iterator[Host]:
    """That server and Postfix in one root. Session scope: the tests of several files share it."""
    server = servers.POP_SERVERS[pop_name]
    with Host(release, server.packages, servers.PREPARE_POSTFIX) as host:
        servers.start_rsyslog(host)
        server.start(host)
        servers.start_postfix(host, {})
        yield host
