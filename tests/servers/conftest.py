"""Real servers, one root for each worker, release and kind."""

from collections.abc import Iterator

import pytest

from testbed import servers
from testbed.host import Host
from testbed.roots import RELEASES


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one root stay on one worker: starting a root takes seconds."""
    for item in items:
        if "tests/servers" in str(item.path):
            callspec = getattr(item, "callspec", None)
            release = callspec.params.get("release", "") if callspec else ""
            item.add_marker(pytest.mark.servers)
            item.add_marker(pytest.mark.xdist_group(f"{release}"))


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
