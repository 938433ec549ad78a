"""A real OpenSMTPD that asks poplock through table-poplock."""

import shutil
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from testbed import clients, servers
from testbed.host import Host
from tests.daemon import ROOT, Poplock

CLIENT, NEIGHBOUR = "203.0.113.5", "203.0.113.6"
CONFIG = """
[[answer]]
type = "line"
listen = "unix:{shared}/line.sock"
mode = "0666"
"""


@pytest.fixture(scope="module")
def opensmtpd() -> Iterator[Host]:
    with Host("trixie", servers.OPENSMTPD) as host:
        servers.start_rsyslog(host)
        shutil.copytree(ROOT / "src", host.shared / "src")
        servers.install_table_poplock(host, "/shared/src")  # Debian's own Python runs it
        servers.start_opensmtpd(host, "table poplock poplock:/shared/line.sock")
        yield host


@pytest.fixture
def poplock(opensmtpd: Host, tmp_path: Path) -> Iterator[Poplock]:
    config = CONFIG.format(shared=opensmtpd.shared)
    with Poplock(tmp_path, config, partial(opensmtpd.popen, inside=False)) as running:
        yield running


def relays(host: Host, source: str = CLIENT) -> int:
    return clients.rcpt(host, source)[0]


def test_a_grant_lets_its_address_relay_until_it_is_revoked(
    opensmtpd: Host, poplock: Poplock
) -> None:
    assert relays(opensmtpd) == 550
    poplock.run("grant", CLIENT, "--user", "ann")
    assert relays(opensmtpd) == 250
    assert relays(opensmtpd, NEIGHBOUR) == 550
    poplock.run("revoke", CLIENT)
    assert relays(opensmtpd) == 550


def test_ipv6_opens_its_network(opensmtpd: Host, poplock: Poplock) -> None:
    poplock.run("grant", "2001:db8:1::5", "--user", "ann")
    assert relays(opensmtpd, "2001:db8:1::6") == 250
    assert relays(opensmtpd, "2001:db8:2::2") == 550


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_while_poplock_is_down_relaying_is_deferred_and_local_mail_passes(
    opensmtpd: Host, poplock: Poplock, how: int
) -> None:
    poplock.run("grant", CLIENT, "--user", "ann")
    assert relays(opensmtpd) == 250
    poplock.end(how)
    assert relays(opensmtpd) == 451
    assert clients.rcpt(opensmtpd, CLIENT, clients.LOCAL)[0] == 250
    poplock.start()
    assert relays(opensmtpd) == 250


def test_a_hung_poplock_defers_too(opensmtpd: Host, poplock: Poplock) -> None:
    poplock.run("grant", CLIENT, "--user", "ann")
    poplock.child.send_signal(signal.SIGSTOP)
    try:
        assert relays(opensmtpd) == 451
        assert clients.rcpt(opensmtpd, CLIENT, clients.LOCAL)[0] == 250
    finally:
        poplock.child.send_signal(signal.SIGCONT)
    assert relays(opensmtpd) == 250
