"""Real servers, one root for each worker, release and kind."""

from collections.abc import Iterator

import pytest

from testbed import servers
from testbed.host import Host
from testbed.roots import RELEASES


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one root stay on one worker: starting a root takes seconds.

    A file's tests share its roots, one for each release; those of the matrix have one each.
    """
    for item in items:
        if "tests/servers" in str(item.path):
            callspec = getattr(item, "callspec", None)
            release = callspec.params.get("release", "") if callspec else ""
            alone = item.path.name == "test_matrix.py"
            group = item.name if alone else f"{item.path.name} {release}"
            item.add_marker(pytest.mark.servers)
            item.add_marker(pytest.mark.xdist_group(group))


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
