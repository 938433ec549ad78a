"""`poplock setup NAME`: lines for what the configuration has, or what it lacks."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from poplock.cli.setup import NAMES, command


def run(tmp_path: Path, name: str, text: str) -> tuple[int, str]:
    path = tmp_path / "poplock.toml"
    path.write_text(text)
    result = CliRunner().invoke(command, [name, "--config", str(path)])
    return result.exit_code, result.output + str(result.exception or "")


@pytest.mark.parametrize("name", NAMES)
def test_a_configuration_that_lacks_the_server_is_told_what_to_add(
    tmp_path: Path, name: str
) -> None:
    status, output = run(tmp_path, name, "")
    assert status != 0
    assert 'type = "' in output or 'listen = "' in output


@pytest.mark.parametrize(
    ("name", "dialect", "says"),
    [
        ("dovecot", "dovecot", "doveadm log find"),
        ("courier", "courier", "/var/log/pop.log"),
        ("uw-imap", "uw_imapd", "imapd needs no change: poplock reads /var/log/pop.log"),
        ("uw-imap", "uw_ipop3d", "$syslogseverity == 6 then /var/log/pop.log"),
        ("qpopper", "qpopper", "log-login"),
        ("tpop3d", "tpop3d", "log-level: info"),
        ("teapop", "teapop", "local0.info /var/log/pop.log"),
        ("gnu-pop3d", "gnu_pop3d", "parse --dialect gnu_pop3d /var/log/pop.log"),
        ("vm-pop3d", "vm_pop3d", "parse --dialect vm_pop3d /var/log/pop.log"),
    ],
)
def test_lines_name_the_log_that_is_read(
    tmp_path: Path, name: str, dialect: str, says: str
) -> None:
    text = f'[[source]]\ntype = "file"\npath = "/var/log/pop.log"\ndialects = ["{dialect}"]\n'
    status, output = run(tmp_path, name, text)
    assert status == 0, output
    assert says in output


def answer(kind: str, listen: str) -> str:
    return f'[[answer]]\ntype = "{kind}"\nlisten = "{listen}"\n'


def a_map(kind: str, path: str, more: str = "") -> str:
    return f'[[map]]\ntype = "{kind}"\npath = "{path}"\n{more}'


FOR_MTAS = [
    ("postfix", answer("socketmap", "inet:127.0.0.1:1"), "socketmap:inet:127.0.0.1:1:poplock,"),
    ("postfix", answer("socketmap", "unix:/run/s"), "/run/s is out of reach"),
    ("postfix", answer("tcp_table", "inet:127.0.0.1:1"), "check_client_access tcp:127.0.0.1:1,"),
    ("postfix", a_map("address_cdb", "/x/relay.cdb"), "check_client_access cdb:/x/relay,"),
    ("postfix", a_map("postfix_lmdb", "/x/relay.lmdb"), "check_client_access lmdb:/x/relay,"),
    (
        "postfix",
        a_map("sqlite", "/x/r.db", 'stamp = "/x/s.cdb"\n'),
        "check_client_access cdb:/x/s,",
    ),
    ("opensmtpd", answer("line", "unix:/run/l"), "table poplock poplock:/run/l\n"),
    ("opensmtpd", a_map("text", "/x/t", 'form = "opensmtpd"\n'), "table poplock file:/x/t\n"),
    ("opensmtpd", a_map("sqlite", "/x/r.db"), "dbpath /x/r.db\n"),
    ("courier-mta", a_map("directory", "/x/grants"), 'PORT="smtp /usr/bin/poplock-check"\n'),
    ("courier-mta", a_map("text", "/x/y/t", 'form = "courier"\n'), "ACCESSFILE=/x/y\n"),
    ("haraka", answer("line", "unix:/run/l"), "path=/run/l\n"),
    ("s-qmail", a_map("directory", "/x/grants"), "exec env POPLOCK_MAP=/x/grants sslserver"),
    ("netqmail", a_map("cdb", "/x/smtp.cdb"), "tcpserver -v -R -l 0 -x /x/smtp.cdb 0 smtp"),
]

ZONE = 'zone = "relay.example.org."\n'
FOR_MTAS += [
    (
        "stalwart",
        answer("dns", "udp:127.0.0.1:53") + ZONE,
        "dns_query(ip_reverse_name(remote_ip) + '.relay.example.org', 'ipv4')[0] == '127.0.0.2'\n",
    ),
    ("stalwart", answer("dns", "udp:[::1]:53") + ZONE, "stub-addr: ::1@53\n"),
    (
        "kumomta",
        answer("dns", "udp:127.0.0.1:53") + ZONE,
        "pcall(kumo.dns.rbl_lookup, peer, 'relay.example.org', 'poplock')\n",
    ),
    ("kumomta", answer("dns", "udp:[::1]:53") + ZONE, "name_servers = { '[::1]:53' }"),
    ("maddy", answer("line", "unix:/run/l"), "Maddy can't ask poplock: it relays by sender"),
]


@pytest.mark.parametrize(("name", "text", "says"), FOR_MTAS)
def test_lines_for_an_mta_name_the_socket_or_file_of_the_configuration(
    tmp_path: Path, name: str, text: str, says: str
) -> None:
    status, output = run(tmp_path, name, text)
    assert status == 0, output
    assert says in output


@pytest.mark.parametrize("name", ["stalwart", "kumomta"])
def test_who_asks_by_udp_is_not_given_the_zone_that_answers_by_tcp(
    tmp_path: Path, name: str
) -> None:
    status, output = run(tmp_path, name, answer("dns", "inet:127.0.0.1:53") + ZONE)
    assert status != 0
    assert 'listen = "udp:127.0.0.1:10053"' in output


def test_postfix_is_not_given_a_copy_in_sqlite_whose_changes_it_would_miss(tmp_path: Path) -> None:
    status, output = run(tmp_path, "postfix", a_map("sqlite", "/x/relay.sqlite"))
    assert status != 0
    assert 'stamp = "/x/relay.stamp.cdb"' in output
