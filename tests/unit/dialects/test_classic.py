"""Joins by process id in the classic servers' logs, and dialects that must be named."""

from poplock.config.load import parse_config
from poplock.config.sources import FileSettings
from poplock.core.events import Login, Logout
from poplock.dialects import DIALECTS, NAMED_ONLY, UNNAMED, USUAL, load
from poplock.dialects.scanner import Scanner

NOW = 1_795_600_000.0


def line(text: str) -> bytes:
    return b"2026-11-25T10:00:00Z " + text.encode() + b"\n"


def feed(name: str, *texts: str) -> list[object]:
    scanner = Scanner(load([name]))
    return [e for text in texts for e in scanner.feed(line(text), NOW)]


def test_tls_port_of_another_process_says_nothing_of_this_one() -> None:
    (login,) = feed(
        "uw_imapd",
        "mx imapd[1]: imaps SSL service init from 192.0.2.7",
        "mx imapd[2]: Login user=ann host=[192.0.2.7]",
    )
    assert isinstance(login, Login) and login.tls is None


def test_tls_port_of_another_address_says_nothing_of_this_login() -> None:
    (login,) = feed(
        "uw_imapd",
        "mx imapd[1]: imaps SSL service init from 192.0.2.8",
        "mx imapd[1]: Login user=ann host=[192.0.2.7]",
    )
    assert isinstance(login, Login) and login.tls is None


def test_tls_port_without_process_ids_says_nothing() -> None:
    (login,) = feed(
        "uw_imapd",
        "mx imapd: imaps SSL service init from 192.0.2.7",
        "mx imapd: Login user=ann host=[192.0.2.7]",
    )
    assert isinstance(login, Login) and login.tls is None and login.session is None


def test_name_as_long_as_uw_cuts_them_is_nobodys() -> None:
    (login,) = feed("uw_imapd", f"mx imapd[1]: Login user={'a' * 80} host=[192.0.2.7]")
    assert isinstance(login, Login) and login.user is None


def test_same_process_id_on_two_hosts_is_two_sessions() -> None:
    events = feed(
        "uw_imapd",
        "mx1 imapd[1]: Login user=ann host=[192.0.2.7]",
        "mx2 imapd[1]: Logout user=bob host=[192.0.2.8]",
    )
    assert [e.session for e in events if isinstance(e, Login | Logout)] == ["mx1[1]", "mx2[1]"]


def test_tpop3d_session_is_its_childs() -> None:
    login, logout = feed(
        "tpop3d",
        "mx tpop3d[1]: fork_child: [9]192.0.2.7/x: began session for `ann' with pam;"
        " child PID is 2",
        "mx tpop3d[2]: connections_post_select: client [9]192.0.2.7/x: finished session for `ann'"
        " with pam",
    )
    assert isinstance(login, Login) and isinstance(logout, Logout)
    assert login.session == logout.session == "mx[2]"


def test_two_hosts_with_the_same_process_id_are_two_connections() -> None:
    assert (
        feed(
            "vm_pop3d",
            "mx1 vm-pop3d[1]: Connect from 192.0.2.7",
            "mx2 vm-pop3d[1]: User 'ann' logged in",
        )
        == []
    )


def test_dialects_whose_log_a_stranger_may_write_are_read_only_where_named() -> None:
    (source,) = parse_config('[[source]]\ntype = "file"\npath = "/x"\n', "x").source
    assert isinstance(source, FileSettings)
    assert source.dialects == UNNAMED
    assert {d.name for d in load(UNNAMED)} == set(USUAL) == set(DIALECTS) - NAMED_ONLY
    (source,) = parse_config(
        '[[source]]\ntype = "file"\npath = "/x"\ndialects = ["uw_ipop3d"]\n', "x"
    ).source
    assert isinstance(source, FileSettings) and source.dialects == ("uw_ipop3d",)
