"""A real Courier with poplock-allow in its chain, by the lines of `poplock setup courier-chain`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import clients, servers
from testbed.host import Host
from tests.daemon import ROOT, Poplock

CONFIG = """
[[source]]
type = "spool"
path = "{spool}"
"""


@pytest.fixture(scope="module")
def chained(release: str) -> Iterator[Host]:
    """Courier with the wrappers, and a drop box for all its users."""
    with Host(release, servers.COURIER) as host:
        servers.start_rsyslog(host)
        host.write(
            "/usr/bin/poplock-allow", (ROOT / "programs" / "poplock-allow").read_text(), 0o755
        )
        (host.shared / "spool").mkdir()
        (host.shared / "spool").chmod(0o1733)
        # In the root the drop box has its usual name; here poplock reads it under another.
        host.run(["ln", "-s", "/shared/spool", "/var/spool/poplock"])
        folder = host.shared.parent
        setup = Poplock(folder, CONFIG.format(spool="/var/spool/poplock"))
        lines = setup.run("setup", "courier-chain").stdout
        host.write("/tmp/lines", lines)
        host.run(["sh", "-e", "/tmp/lines"])
        servers.start_courier(host)
        yield host


@pytest.fixture
def poplock(chained: Host, tmp_path: Path) -> Iterator[Poplock]:
    """A daemon that knows the root's users, in the host's network."""
    config = CONFIG.format(spool=chained.shared / "spool")
    with Poplock(tmp_path, config, chained.popen_with_users) as running:
        yield running


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("service", ["pop3", "imap"])
def test_a_login_earns_a_grant_without_any_log(
    chained: Host, poplock: Poplock, service: str, tls: bool
) -> None:
    clients.log_in(chained, "203.0.113.5", service=service, tls=tls)
    clients.log_in(chained, "2001:db8:1::5", service=service, user="bob", tls=tls)
    poplock.until(lambda: len(poplock.rows("list")) == 2, "two grants")
    granted = {(g["network"], g["user"]) for g in poplock.rows("list")}
    assert granted == {("203.0.113.5/32", "alice"), ("2001:db8:1::/64", "bob")}
    assert list((chained.shared / "spool").iterdir()) == []


def test_a_refused_login_earns_nothing(chained: Host, poplock: Poplock) -> None:
    clients.log_in(chained, "203.0.113.6", right=False)
    clients.log_in(chained, "203.0.113.7")  # read after anything that the first had left
    poplock.until(lambda: len(poplock.rows("list")) == 1, "the grant")
    assert [g["network"] for g in poplock.rows("list")] == ["203.0.113.7/32"]


def test_logins_while_poplock_is_down_succeed_and_count_when_it_is_back(
    chained: Host, poplock: Poplock
) -> None:
    poplock.end(9)
    for service in ("pop3", "imap"):
        clients.log_in(chained, "203.0.113.8", service=service)
    poplock.start()
    assert [g["network"] for g in poplock.rows("list")] == ["203.0.113.8/32"]


@pytest.mark.parametrize("gone", ["/usr/bin/poplock-allow", "/shared/spool"])
def test_logins_succeed_whatever_is_missing(chained: Host, gone: str) -> None:
    chained.run(["mv", gone, f"{gone}.away"])
    try:
        for service in ("pop3", "imap"):
            clients.log_in(chained, "203.0.113.9", service=service)
    finally:
        chained.run(["mv", f"{gone}.away", gone])
