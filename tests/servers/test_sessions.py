"""Open sessions keep their right, at a real Postfix: IMAP IDLE for longer than the window."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from poplock.control import List
from testbed import clients, servers
from testbed.demo import relay_restrictions
from testbed.host import Host
from tests.daemon import Poplock
from tests.servers.test_dovecot_postfix import CONFIG

ADDRESS, OTHER = "203.0.113.5", "203.0.113.6"
pytestmark = pytest.mark.parametrize("pop_name", ["dovecot", "courier"], indirect=True)


@contextmanager
def poplock_with(host: Host, folder: Path, window: str, max_session: str) -> Iterator[Poplock]:
    config = CONFIG.format(
        window=window,
        log=host.shared / "log" / "mail-rfc3339.log",
        listen="inet:127.0.0.1:10031",
    ).replace("[[source]]", f'max_session = "{max_session}"\n[[source]]')
    with Poplock(folder, config, partial(host.popen, inside=False)) as poplock:
        restrictions = relay_restrictions(poplock.config.read_text())
        servers.reload_postfix(host, {"smtpd_relay_restrictions": restrictions})
        poplock.run("revoke", "--all")
        yield poplock


def idle(host: Host) -> clients.imaplib.IMAP4:
    """alice, logged in and waiting for news."""
    client = clients.imap(host, ADDRESS)
    client.login("alice", servers.password("alice"))
    client.select()
    client.send(b"x IDLE\r\n")
    assert client.readline().startswith(b"+ ")
    return client


def let_a_window_pass(host: Host, poplock: Poplock) -> None:
    """Until bob, who logs in and out now, has lost what that earned him."""
    clients.log_in(host, OTHER, service="imap", user="bob")
    poplock.until(lambda: poplock.answer(OTHER) == "permit", "bob's grant")
    poplock.until(lambda: poplock.answer(OTHER) == "none", "its end", 60)


def test_an_idle_session_is_permitted_until_a_window_after_its_end(
    pop_host: Host, tmp_path: Path
) -> None:
    with poplock_with(pop_host, tmp_path, "4s", "10m") as poplock:
        client = idle(pop_host)
        let_a_window_pass(pop_host, poplock)
        assert clients.rcpt(pop_host, ADDRESS)[0] == 250
        assert clients.rcpt(pop_host, OTHER)[0] == 554
        (grant,) = poplock.rows("list")
        assert (grant["user"], grant["sessions"]) == ("alice", 1)
        client.send(b"DONE\r\n")
        while not (line := client.readline()).startswith(b"x "):
            assert line.startswith(b"* ")  # Dovecot says now and then that it is still there
        assert line.startswith(b"x OK")
        client.logout()
        poplock.until(
            lambda: [g["sessions"] for g in poplock.ask(List())] in ([0], []), "the logout"
        )
        poplock.until(lambda: poplock.answer(ADDRESS) == "none", "the end", 60)
        assert clients.rcpt(pop_host, ADDRESS)[0] == 554


def test_a_logout_that_never_comes_is_bounded(
    pop_host: Host, pop_name: str, tmp_path: Path
) -> None:
    with poplock_with(pop_host, tmp_path, "2s", "12s") as poplock:
        client = idle(pop_host)
        program = {"dovecot": "^imap$", "courier": "^imapd$"}[pop_name]
        pop_host.run(["sh", "-c", f"kill -9 $(pgrep '{program}')"])
        client.sock.close()
        let_a_window_pass(pop_host, poplock)
        assert clients.rcpt(pop_host, ADDRESS)[0] == 250, "it may still be open"
        poplock.until(lambda: poplock.answer(ADDRESS) == "none", "max_session", 60)
        assert clients.rcpt(pop_host, ADDRESS)[0] == 554
