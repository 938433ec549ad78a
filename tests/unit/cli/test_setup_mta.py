"""`poplock setup exim|sendmail`: the socket or the map that the configuration has."""

import pytest

from poplock.cli.setup import exim, sendmail
from poplock.config.load import parse_config
from poplock.core.errors import PoplockError

LINE = '[[answer]]\ntype = "line"\nlisten = "{}"\n'
SOCKETMAP = '[[answer]]\ntype = "socketmap"\nlisten = "{}"\n'


def exim_lines(text: str) -> str:
    return exim.lines(parse_config(text, "poplock.toml"))


def sendmail_lines(text: str) -> str:
    return sendmail.lines(parse_config(text, "poplock.toml"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LINE.format("inet:127.0.0.1:10033"), "${readsocket{inet:127.0.0.1:10033}{check "),
        (LINE.format("inet:[::1]:10033"), "${readsocket{inet:[::1]:10033}{check "),
        (LINE.format("unix:/run/p.sock"), "/run/p.sock must be open to it"),
        (
            LINE.format("unix:/run/p.sock") + "[policy]\nmatch_sender = true\n",
            r"{/run/p.sock}{check $sender_host_address $sender_address\n}",
        ),
        ('[[map]]\ntype = "sqlite"\npath = "/m/r.db"\n', "${lookup sqlite,file=/m/r.db\\\n"),
        (
            '[[map]]\ntype = "address_cdb"\npath = "/m/r.cdb"\nvalue = "user"\n',
            "${lookup{$sender_host_address}cdb{/m/r.cdb}{$value}{}}",
        ),
        (
            '[[map]]\ntype = "addresses"\npath = "/m/a"\n',
            "dsearch{/m/a}{${readfile{/m/a/$value}{}}}",
        ),
        (
            '[[map]]\ntype = "text"\nform = "exim"\npath = "/m/t"\n',
            "hosts = net-iplsearch;/m/t\n        set acl_m_poplock_user = $host_data",
        ),
    ],
)
def test_exim_is_told_of_what_the_configuration_has(text: str, says: str) -> None:
    assert says in exim_lines(text)


def test_exim_asks_rather_than_looking_into_a_map() -> None:
    text = '[[map]]\ntype = "sqlite"\npath = "/m/r.db"\n' + LINE.format("inet:127.0.0.1:10033")
    assert "sqlite" not in exim_lines(text)


def test_a_map_of_another_mta_is_none_for_exim() -> None:
    with pytest.raises(PoplockError, match='type = "line"'):
        exim_lines('[[map]]\ntype = "address_cdb"\npath = "/m/r.cdb"\n')


@pytest.mark.parametrize(
    ("listen", "says"),
    [
        ("inet:127.0.0.1:10032", "Kpoplock socket -d3 -T<TMPF> -a<OK> inet:10032@127.0.0.1\n"),
        ("inet:[::1]:10032", "Kpoplock socket -d3 -T<TMPF> -a<OK> inet6:10032@::1\n"),
        ("unix:/run/p.sock", "Kpoplock socket -d3 -T<TMPF> -a<OK> local:/run/p.sock\n"),
    ],
)
def test_sendmail_is_told_of_the_socket(listen: str, says: str) -> None:
    assert says in sendmail_lines(SOCKETMAP.format(listen))


def test_sendmail_asks_by_the_name_of_its_map() -> None:
    with pytest.raises(PoplockError, match='be "poplock"'):
        sendmail_lines(SOCKETMAP.format("inet:127.0.0.1:1") + 'maps = ["relay"]\n')


def test_sendmail_reads_the_hash_that_after_makes() -> None:
    text = '[[map]]\ntype = "text"\nform = "sendmail"\npath = "/m/s"\n'
    after = 'after = ["/bin/sh", "-c", "makemap hash $0", "/m/s.db"]\n'
    assert "Kpoplock hash -T<TMPF> -a<OK> /m/s\n" in sendmail_lines(text + after)
    with pytest.raises(PoplockError, match="makemap"):
        sendmail_lines(text)


def test_both_sides_of_each_rule_of_sendmail_are_parted_by_a_tab() -> None:
    rules = [
        line
        for line in sendmail_lines(SOCKETMAP.format("inet:127.0.0.1:10032")).splitlines()
        if line.startswith("R")
    ]
    assert len(rules) > 5
    assert all(line.count("\t") == 1 for line in rules)
