"""A real logrotate under a real Dovecot: no login is lost, and none counts twice."""

import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from poplock.control import History
from testbed import clients, servers
from testbed.host import Host
from tests.daemon import Poplock

CONFIG = """
[[source]]
type = "file"
path = "{0}/log/dovecot.log"
dialects = ["dovecot"]
"""
ROTATE = """
/shared/log/dovecot.log {{
    rotate 5
    su root root
    {0}
}}
"""
REOPEN = "postrotate\n doveadm log reopen\n endscript"
WAYS = {
    "rename and create": f"create 0644 root root\n{REOPEN}",
    "rename, Dovecot creates": f"nocreate\n{REOPEN}",
    "compress": f"create 0644 root root\ncompress\n{REOPEN}",
    "delaycompress": f"create 0644 root root\ncompress\ndelaycompress\n{REOPEN}",
    "copytruncate": "copytruncate",
    "copytruncate and compress": "copytruncate\ncompress",
}
every_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(scope="module")
def host(release: str) -> Iterator[Host]:
    with Host(release, servers.DOVECOT_SYSLOG) as host:
        servers.start_dovecot(host, own_log=True)
        yield host


@pytest.fixture
def poplock(host: Host, tmp_path: Path) -> Iterator[Poplock]:
    begin = "rm -f /shared/log/*; doveadm log reopen; until test -e /shared/log/dovecot.log;"
    host.run(["sh", "-c", f"{begin} do sleep 0.05; done"])
    popen = partial(host.popen, inside=False)
    with Poplock(tmp_path, CONFIG.format(host.shared), popen) as running:
        yield running


def rotate(host: Host, way: str) -> None:
    host.write("/etc/logrotate.test", ROTATE.format(WAYS[way]))
    host.run(["logrotate", "-f", "-s", "/run/logrotate.state", "/etc/logrotate.test"])


def log_in(host: Host, last: Sequence[int]) -> list[str]:
    for number in last:
        clients.log_in(host, f"203.0.113.{number}")
    return [f"203.0.113.{number}/32" for number in last]


def granted(poplock: Poplock) -> Counter[str]:
    """How often each address was granted anew, by the history."""
    return Counter(d["network"] for d in poplock.ask(History()) if d["event"] == "granted")


def logins(poplock: Poplock) -> int:
    """How many logins the daemon has counted since it was started."""
    return int(poplock.rows("status")[0]["counts"]["logins"])


def wait_for(poplock: Poplock, addresses: list[str]) -> None:
    expected = Counter(addresses)
    poplock.until(lambda: granted(poplock) == expected, f"{expected}, not {granted(poplock)}")


def written(host: Host, addresses: list[str]) -> None:
    """Until Dovecot has written these logins somewhere, so that a rotation comes after them."""
    rips = [address.removesuffix("/32") for address in addresses]
    find = (
        'for a; do until zgrep -q "Log[a-z ]*in: .*rip=$a," /shared/log/dovecot.log*;'
        " do sleep 0.05; done; done"
    )
    host.run(["sh", "-c", find, "sh", *rips])


@every_way
def test_while_following(host: Host, poplock: Poplock, way: str) -> None:
    seen: list[str] = []
    for first in (2, 6, 10):
        seen += log_in(host, range(first, first + 2))
        written(host, seen[-2:])
        rotate(host, way)
        seen += log_in(host, range(first + 2, first + 4))
        wait_for(poplock, seen)
    assert logins(poplock) == len(seen)


@every_way
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_with_a_restart_in_the_middle(host: Host, poplock: Poplock, way: str, end: int) -> None:
    seen = log_in(host, range(2, 5))
    wait_for(poplock, seen)
    poplock.end(end)
    for first in (5, 9):
        seen += log_in(host, range(first, first + 2))
        written(host, seen[-2:])
        rotate(host, way)
        seen += log_in(host, range(first + 2, first + 4))
        written(host, seen[-2:])
    poplock.start()
    wait_for(poplock, seen)
    seen += log_in(host, range(13, 15))
    wait_for(poplock, seen)


@pytest.mark.parametrize("way", [way for way in WAYS if "copytruncate" not in way])
def test_a_burst_across_the_boundary(host: Host, poplock: Poplock, way: str) -> None:
    """With copytruncate, what is written between copy and truncation is lost to everybody."""
    burst = threading.Thread(target=log_in, args=(host, range(2, 20)))
    burst.start()
    for _ in range(3):
        rotate(host, way)
    burst.join()
    wait_for(poplock, [f"203.0.113.{number}/32" for number in range(2, 20)])
    assert logins(poplock) == 18
