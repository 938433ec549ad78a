"""The main job with a real Dovecot and a real Postfix: a login earns relaying, and only that."""

import signal
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from poplock.control import Revoke
from testbed import clients, servers
from testbed.demo import relay_restrictions
from testbed.host import Host
from tests.daemon import Poplock

ADDRESS, NEIGHBOUR = "203.0.113.5", "203.0.113.6"
CONFIG = """
[policy]
window = "{window}"
[[source]]
type = "file"
path = "{log}"
[[answer]]
type = "postfix_policy"
listen = "{listen}"
mode = "0666"
"""


def make(host: Host, folder: Path, window: str = "60m", listen: str = "") -> Poplock:
    """A daemon in the host's network, and Postfix with the lines of `poplock setup postfix`."""
    text = CONFIG.format(
        window=window,
        log=host.shared / "log" / "mail-rfc3339.log",
        listen=listen or "inet:127.0.0.1:10031",
    )
    poplock = Poplock(folder, text, partial(host.popen, inside=False))
    restrictions = relay_restrictions(poplock.config.read_text())
    servers.reload_postfix(host, {"smtpd_relay_restrictions": restrictions})
    return poplock


@pytest.fixture
def poplock(dovecot_postfix: Host, tmp_path: Path) -> Iterator[Poplock]:
    with make(dovecot_postfix, tmp_path) as running:
        running.run("revoke", "--all")
        yield running


def relays(host: Host, source: str = ADDRESS) -> int:
    return clients.rcpt(host, source)[0]


def times_granted(poplock: Poplock) -> Counter[str]:
    """How often each user was granted anew, by the history."""
    return Counter(d["user"] for d in poplock.rows("history") if d["event"] == "granted")


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("service", ["pop3", "imap"])
def test_a_login_earns_relaying_for_its_address_alone(
    dovecot_postfix: Host, poplock: Poplock, service: str, tls: bool
) -> None:
    host = dovecot_postfix
    assert relays(host) == 554
    clients.log_in(host, ADDRESS, service=service, right=False, tls=tls)
    assert relays(host) == 554
    clients.log_in(host, ADDRESS, service=service, tls=tls)
    assert relays(host) == 250
    assert relays(host, NEIGHBOUR) == 554
    (grant,) = poplock.rows("list")
    assert (grant["network"], grant["user"]) == (f"{ADDRESS}/32", "alice")
    check = poplock.run("check", ADDRESS)
    assert check.returncode == 0
    assert "permit: alice logged in from" in check.stdout
    assert poplock.run("check", NEIGHBOUR).returncode == 1


def test_login_and_rcpt_back_to_back_a_hundred_times_without_a_refusal(
    dovecot_postfix: Host, poplock: Poplock
) -> None:
    codes = []
    for i in range(100):
        poplock.ask(Revoke())
        clients.log_in(dovecot_postfix, ADDRESS, service=("pop3", "imap")[i % 2])
        codes.append(relays(dovecot_postfix))
    assert codes == [250] * 100


def test_an_ipv6_login_opens_its_64_and_no_other(dovecot_postfix: Host, poplock: Poplock) -> None:
    clients.log_in(dovecot_postfix, "2001:db8:1::5")
    assert relays(dovecot_postfix, "2001:db8:1::6") == 250
    assert relays(dovecot_postfix, "2001:db8:2::2") == 554


def test_loopback_and_the_hosts_own_addresses_earn_nothing(
    dovecot_postfix: Host, poplock: Poplock
) -> None:
    for source in ("127.0.0.2", "127.0.0.1"):
        clients.log_in(dovecot_postfix, source)
        assert relays(dovecot_postfix, source) == 554
    assert poplock.rows("list") == []


def test_revoke_refuses_at_once(dovecot_postfix: Host, poplock: Poplock) -> None:
    clients.log_in(dovecot_postfix, ADDRESS)
    assert relays(dovecot_postfix) == 250
    assert poplock.run("revoke", ADDRESS).returncode == 0
    assert relays(dovecot_postfix) == 554
    assert poplock.run("revoke", ADDRESS).returncode == 1
    check = poplock.run("check", ADDRESS)
    assert "was revoked" in check.stdout


def test_the_window_ends(dovecot_postfix: Host, tmp_path: Path) -> None:
    with make(dovecot_postfix, tmp_path, window="3s") as poplock:
        clients.log_in(dovecot_postfix, ADDRESS)
        assert relays(dovecot_postfix) == 250
        poplock.until(lambda: poplock.answer(ADDRESS) == "none", "the end")
        assert relays(dovecot_postfix) == 554


def test_killed_relay_attempts_are_deferred_and_local_mail_passes_and_nothing_is_lost(
    dovecot_postfix: Host, poplock: Poplock
) -> None:
    host = dovecot_postfix
    clients.log_in(host, ADDRESS)
    assert relays(host) == 250
    before, granted = poplock.rows("list"), times_granted(poplock)
    poplock.end(signal.SIGKILL)
    code, text = clients.rcpt(host, ADDRESS)
    assert code in (450, 451), text
    assert clients.rcpt(host, ADDRESS, clients.LOCAL)[0] == 250
    assert clients.rcpt(host, NEIGHBOUR, clients.LOCAL)[0] == 250
    clients.log_in(host, NEIGHBOUR, user="bob", service="imap")  # while nobody reads the log
    poplock.start()
    assert relays(host) == 250
    assert relays(host, NEIGHBOUR) == 250
    assert [g for g in poplock.rows("list") if g["user"] == "alice"] == before
    assert times_granted(poplock) == granted + Counter({"bob": 1})


def test_a_stopped_daemon_defers_and_local_mail_passes(
    dovecot_postfix: Host, poplock: Poplock
) -> None:
    clients.log_in(dovecot_postfix, ADDRESS)
    assert poplock.end(signal.SIGTERM) == 0
    assert clients.rcpt(dovecot_postfix, ADDRESS)[0] in (450, 451)
    assert clients.rcpt(dovecot_postfix, ADDRESS, clients.LOCAL)[0] == 250


def test_a_store_that_is_gone_defers_and_comes_back(
    dovecot_postfix: Host, poplock: Poplock
) -> None:
    host = dovecot_postfix
    clients.log_in(host, ADDRESS)
    assert relays(host) == 250
    store = poplock.folder / "poplock.db"
    store.rename(store.with_suffix(".away"))
    clients.log_in(host, NEIGHBOUR)  # something to commit
    poplock.until(lambda: poplock.answer(ADDRESS) == "unavailable", "unavailable")
    assert clients.rcpt(host, ADDRESS)[0] == 450
    assert clients.rcpt(host, ADDRESS, clients.LOCAL)[0] == 250
    assert poplock.rows("status")[0]["health"] == "trouble"
    store.with_suffix(".away").rename(store)
    poplock.until(lambda: poplock.answer(ADDRESS) == "permit", "available again")
    assert relays(host) == 250
    assert relays(host, NEIGHBOUR) == 250


def test_chrooted_smtpd_reaches_a_unix_socket_in_its_queue_directory(
    dovecot_postfix: Host, tmp_path: Path
) -> None:
    host = dovecot_postfix
    policy = host.shared / "policy"
    text = CONFIG.format(
        window="60m",
        log=host.shared / "log" / "mail-rfc3339.log",
        listen=f"unix:{policy}/policy.sock",
    )
    with Poplock(tmp_path, text, partial(host.popen, inside=False)) as poplock:
        as_seen_by_postfix = text.replace(str(policy), "/var/spool/postfix/poplock")
        servers.reload_postfix(
            host, {"smtpd_relay_restrictions": relay_restrictions(as_seen_by_postfix)}
        )
        poplock.run("revoke", "--all")
        assert relays(host) == 554
        clients.log_in(host, ADDRESS)
        assert relays(host) == 250
