"""Real Dovecots that tell poplock over HTTP or by post-login script; a real Postfix asks."""

import shutil
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from poplock.cli.setup import dovecot_post_login
from poplock.config.load import parse_config
from poplock.config.sources import DovecotAuthPolicySettings, DovecotEventsSettings
from poplock.control import List, Revoke, Status
from testbed import clients, servers
from testbed.demo import relay_restrictions
from testbed.host import Host
from testbed.servers.dovecot_http import Configured, event_lines, policy_lines
from tests.daemon import ROOT, Poplock

ADDRESS, NEIGHBOUR = "203.0.113.5", "203.0.113.6"
KEY = "a-key-of-the-testbed"
POLICY = DovecotAuthPolicySettings(listen=("inet:127.0.0.1:4081",), api_key_file="/etc/key")
WITH_EVENTS = DovecotAuthPolicySettings(listen=("inet:127.0.0.1:4081",), events=True)
EVENTS = DovecotEventsSettings(listen=("inet:127.0.0.1:4082",), api_key_file="/etc/key")
ANSWER = """
[[answer]]
type = "postfix_policy"
listen = "inet:127.0.0.1:10031"
patience = 0
"""


@pytest.fixture(scope="module")
def dovecot(dovecot_postfix: Host) -> Configured:
    return Configured(dovecot_postfix)


def make(host: Host, folder: Path, source: str, **values: object) -> Poplock:
    """A daemon with this source in the host's network, and Postfix asking it."""
    (folder / "key").write_text(KEY + "\n")
    (folder / "key").chmod(0o600)
    text = source.format(key=folder / "key", **values) + ANSWER
    poplock = Poplock(folder, text, partial(host.popen, inside=False))
    restrictions = relay_restrictions(poplock.config.read_text())
    servers.reload_postfix(host, {"smtpd_relay_restrictions": restrictions})
    return poplock


AUTH_POLICY = """
[[source]]
type = "dovecot_auth_policy"
listen = ["inet:127.0.0.1:4081"]
api_key_file = "{key}"
"""


@pytest.fixture(scope="module")
def after_auth(dovecot_postfix: Host, dovecot: Configured) -> None:
    dovecot.restart(policy_lines(dovecot_postfix, POLICY).replace("KEY", KEY, 1))


@pytest.fixture
def poplock(dovecot_postfix: Host, tmp_path: Path) -> Iterator[Poplock]:
    with make(dovecot_postfix, tmp_path, AUTH_POLICY) as running:
        yield running


def relays(host: Host, source: str = ADDRESS) -> int:
    return clients.rcpt(host, source)[0]


def fail_to_log_in(host: Host, source: str = ADDRESS) -> None:
    for service in ("pop3", "imap"):
        clients.log_in(host, source, service=service, right=False)


def log_in_as_master(host: Host) -> None:
    """As alice, with the password of the master user root."""
    client = clients.imap(host, ADDRESS)
    assert client.login("alice*root", "secret-root")[0] == "OK"
    client.logout()


class TestAfterAuth:
    """Dovecot waits for poplock."""

    @pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
    @pytest.mark.parametrize("service", ["pop3", "imap"])
    def test_a_login_earns_relaying_for_its_address_alone(
        self, after_auth: None, dovecot_postfix: Host, poplock: Poplock, service: str, tls: bool
    ) -> None:
        host = dovecot_postfix
        clients.log_in(host, ADDRESS, service=service, right=False, tls=tls)
        assert relays(host) == 554
        clients.log_in(host, ADDRESS, service=service, tls=tls)
        assert relays(host) == 250
        assert relays(host, NEIGHBOUR) == 554
        (grant,) = poplock.rows("list")
        assert (grant["user"], grant["sessions"]) == ("alice", 0)
        (status,) = poplock.rows("status")
        assert status["health"] == "ok", status
        assert status["counts"]["logins"] == 1

    def test_a_hundred_logins_with_rcpt_right_behind_them_without_a_refusal(
        self, after_auth: None, dovecot_postfix: Host, poplock: Poplock
    ) -> None:
        codes = []
        for i in range(100):
            poplock.ask(Revoke())
            clients.log_in(dovecot_postfix, ADDRESS, service=("pop3", "imap")[i % 2])
            codes.append(relays(dovecot_postfix))
        assert codes == [250] * 100

    def test_an_ipv6_login_opens_its_64(
        self, after_auth: None, dovecot_postfix: Host, poplock: Poplock
    ) -> None:
        clients.log_in(dovecot_postfix, "2001:db8:1::5")
        assert relays(dovecot_postfix, "2001:db8:1::6") == 250
        assert relays(dovecot_postfix, "2001:db8:2::2") == 554

    def test_master_users_log_in_and_earn_nothing(
        self, after_auth: None, dovecot_postfix: Host, poplock: Poplock
    ) -> None:
        log_in_as_master(dovecot_postfix)
        assert poplock.rows("list") == []
        clients.log_in(dovecot_postfix, ADDRESS)
        assert [g["user"] for g in poplock.rows("list")] == ["alice"]

    def test_while_poplock_is_stopped_or_absent_logins_still_succeed(
        self, after_auth: None, dovecot_postfix: Host, poplock: Poplock
    ) -> None:
        host = dovecot_postfix
        poplock.child.send_signal(signal.SIGSTOP)
        clients.log_in(host, ADDRESS)
        clients.log_in(host, ADDRESS, service="imap")
        poplock.child.send_signal(signal.SIGCONT)
        poplock.end(signal.SIGTERM)
        clients.log_in(host, ADDRESS)
        clients.log_in(host, ADDRESS, service="imap")
        fail_to_log_in(host)
        poplock.start()
        clients.log_in(host, NEIGHBOUR)
        assert relays(host, NEIGHBOUR) == 250

    def test_a_wrong_key_is_refused_and_the_login_goes_on(
        self, after_auth: None, dovecot_postfix: Host, tmp_path: Path
    ) -> None:
        with make(dovecot_postfix, tmp_path, AUTH_POLICY) as poplock:
            (tmp_path / "key").write_text("another-key-than-dovecots\n")
            poplock.end(signal.SIGTERM)
            poplock.start()
            clients.log_in(dovecot_postfix, ADDRESS)
            assert relays(dovecot_postfix) == 554


def test_with_dovecots_defaults_and_no_proof_nobody_earns_anything_and_status_says_why(
    dovecot_postfix: Host, dovecot: Configured, poplock: Poplock
) -> None:
    lines = policy_lines(dovecot_postfix, POLICY).replace("KEY", KEY, 1)
    forgotten = "".join(
        line for line in lines.splitlines(True) if "_auth = " not in line and "authent" not in line
    )
    dovecot.restart(forgotten + "auth_policy_hash_truncate = 0\n", proof=False)
    fail_to_log_in(dovecot_postfix)
    clients.log_in(dovecot_postfix, ADDRESS)
    assert poplock.rows("list") == []
    (trouble,) = poplock.rows("status")[0]["troubles"]
    assert "didn't prove a login" in trouble


def test_with_the_check_before_the_password_left_on_a_wrong_password_earns_nothing(
    dovecot_postfix: Host, dovecot: Configured, poplock: Poplock
) -> None:
    lines = policy_lines(dovecot_postfix, POLICY).replace("KEY", KEY, 1)
    dovecot.restart(lines.replace("before_auth = no", "before_auth = yes"))
    fail_to_log_in(dovecot_postfix)
    assert poplock.rows("list") == []
    clients.log_in(dovecot_postfix, ADDRESS)
    assert relays(dovecot_postfix) == 250


def test_reports_earn_relaying_and_failures_are_counted(
    dovecot_postfix: Host, dovecot: Configured, poplock: Poplock
) -> None:
    host = dovecot_postfix
    dovecot.restart(policy_lines(host, POLICY, way=2).replace("KEY", KEY, 1))
    fail_to_log_in(host)
    log_in_as_master(host)
    clients.log_in(host, NEIGHBOUR, tls=True)
    clients.log_in(host, NEIGHBOUR, service="imap")
    poplock.until(lambda: poplock.ask(Status())[0]["counts"]["logins"] == 2, "both reports")
    counts = poplock.rows("status")[0]["counts"]
    assert (counts["failures"], counts["ignored"]) == (2, 0)
    assert [g["network"] for g in poplock.rows("list")] == [f"{NEIGHBOUR}/32"]
    assert relays(host, NEIGHBOUR) == 250
    assert relays(host) == 554


def test_reports_never_hold_a_login_up_whatever_poplock_does(
    dovecot_postfix: Host, dovecot: Configured, poplock: Poplock
) -> None:
    dovecot.restart(policy_lines(dovecot_postfix, POLICY, way=2).replace("KEY", KEY, 1))
    poplock.child.send_signal(signal.SIGSTOP)
    clients.log_in(dovecot_postfix, ADDRESS)
    poplock.child.send_signal(signal.SIGCONT)
    poplock.end(signal.SIGTERM)
    clients.log_in(dovecot_postfix, ADDRESS, service="imap")


def test_exported_events_are_logins_and_ends_of_sessions(
    dovecot_postfix: Host, dovecot: Configured, tmp_path: Path
) -> None:
    host = dovecot_postfix
    source = (
        '[[source]]\ntype = "dovecot_events"\nlisten = ["inet:127.0.0.1:4082"]\n'
        'api_key_file = "{key}"\n'
    )
    dovecot.restart(event_lines(host, EVENTS).replace(":KEY@", f":{KEY}@"))
    with make(host, tmp_path, source) as poplock:
        fail_to_log_in(host)
        log_in_as_master(host)
        idle = clients.imap(host, ADDRESS)
        idle.login("alice", "secret-alice")
        poplock.until(lambda: sessions(poplock) == [1], "an open session")
        assert relays(host) == 250
        idle.logout()
        poplock.until(lambda: sessions(poplock) == [0], "its end")
        assert relays(host) == 250
        clients.log_in(host, NEIGHBOUR, service="pop3", tls=True)
        poplock.until(lambda: sessions(poplock) == [0, 0], "a short session, and its end")
        assert {g["user"] for g in poplock.rows("list")} == {"alice"}


def sessions(poplock: Poplock) -> list[int]:
    return [g["sessions"] for g in poplock.ask(List())]


def test_auth_policy_and_events_as_one_source_join_their_sessions(
    dovecot_postfix: Host, dovecot: Configured, tmp_path: Path
) -> None:
    host = dovecot_postfix
    source = (
        '[[source]]\ntype = "dovecot_auth_policy"\nlisten = ["inet:127.0.0.1:4081"]\n'
        "events = true\n"
    )
    dovecot.restart(policy_lines(host, WITH_EVENTS))
    with make(host, tmp_path, source) as poplock:
        idle = clients.imap(host, ADDRESS)
        idle.login("alice", "secret-alice")
        assert relays(host) == 250
        assert sessions(poplock) == [1]
        idle.logout()
        poplock.until(lambda: sessions(poplock) == [0], "its end")
        assert relays(host) == 250


def test_the_post_login_script_tells_of_logins_even_while_poplock_is_away(
    dovecot_postfix: Host, dovecot: Configured, tmp_path: Path
) -> None:
    host = dovecot_postfix
    spool = host.shared / "spool"
    spool.mkdir(exist_ok=True)
    spool.chmod(0o1733)
    shutil.copy(ROOT / "programs/poplock-allow", host.shared / "poplock-allow")
    source = f'[[source]]\ntype = "spool"\npath = "{spool}"\nspeak_for_others = ["mail"]\n'
    lines = dovecot_post_login.lines(parse_config(source, "test"))
    lines = lines.replace(str(spool), "/shared/spool").replace("user = poplock", "user = mail")
    dovecot.restart(lines.replace("/usr/bin/poplock-allow", "/shared/poplock-allow"), proof=False)
    with make(host, tmp_path, source) as poplock:
        fail_to_log_in(host)
        log_in_as_master(host)
        for service, tls in (("pop3", False), ("pop3", True), ("imap", False), ("imap", True)):
            clients.log_in(host, ADDRESS, service=service, tls=tls)
        poplock.until(lambda: poplock.ask(Status())[0]["counts"]["logins"] == 4, "four logins")
        assert relays(host) == 250
        assert [g["user"] for g in poplock.rows("list")] == ["alice"]
        poplock.end(signal.SIGKILL)
        clients.log_in(host, NEIGHBOUR, service="imap", user="bob")
        poplock.start()
        poplock.until(lambda: relays(host, NEIGHBOUR) == 250, "what was told meanwhile")
