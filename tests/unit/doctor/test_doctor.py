"""What the doctor says of hosts that are laid out in a folder; real MTAs are in tests/servers."""

import json
import os
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from poplock.cli.doctor import command
from poplock.cli.setup.exim import acl
from poplock.config.load import parse_config
from poplock.core.clock import SystemClock
from poplock.doctor import (
    clients,
    courier,
    exim,
    opensmtpd,
    postfix,
    qmail,
    relay,
    sendmail,
    service,
)
from poplock.doctor.site import Level, Site
from poplock.maps import make_lease

MAP = '[[map]]\ntype = "{}"\npath = "{}"\n'
LINE = '[[answer]]\ntype = "line"\nlisten = "inet:127.0.0.1:10033"\n'


def site(root: Path, config: str = "", **more: object) -> Site:
    return Site(parse_config(config, "poplock.toml"), root / "poplock.toml", root=root, **more)  # type: ignore[arg-type]


def write(root: Path, name: str, text: str) -> None:
    path = root / name.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def program(root: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that prints a file, whatever it is asked."""
    write(root, f"bin/{name}.txt", text)
    write(root, f"bin/{name}", f'#!/bin/sh\ncat "{root}/bin/{name}.txt"\n')
    (root / f"bin/{name}").chmod(0o755)
    monkeypatch.setenv("PATH", f"{root}/bin:/usr/bin:/bin")


def test_restrictions_are_split_as_postfix_splits_them() -> None:
    value = "permit_mynetworks,check_policy_service { inet:h:1, { default_action = A b } }  reject"
    assert postfix.split(value) == [
        "permit_mynetworks",
        "check_policy_service",
        "{ inet:h:1, { default_action = A b } }",
        "reject",
    ]


@pytest.mark.parametrize(
    ("rules", "level", "what"),
    [
        (
            "  accept  hosts = +relay_from_hosts\n"
            "  accept  domains = ! +local_domains\n"
            "          condition = ${readsocket{inet:127.0.0.1:10033}{check x\\n}}\n"
            "  require domains = +local_domains\n",
            Level.WELL,
            "right place",
        ),
        ("  require domains = +local_domains\n  accept\n", Level.BAD, "does not ask poplock"),
        (
            "  require domains = +local_domains\n"
            "  accept  condition = ${readsocket{inet:127.0.0.1:10033}{check x\\n}}\n",
            Level.BAD,
            "behind what refuses",
        ),
        (
            "  accept\n  accept  condition = ${readsocket{inet:127.0.0.1:10033}{check x\\n}}\n"
            "  deny\n  warn domains = +local_domains\n",
            Level.BAD,
            "without a condition",
        ),
    ],
)
def test_exims_acl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rules: str, level: Level, what: str
) -> None:
    text = f"acl_smtp_rcpt = acl_check_rcpt\nbegin acl\nacl_check_rcpt:\n{rules}\nbegin routers\n"
    program(tmp_path, "exim4", text.replace("acl_smtp_rcpt = acl_check_rcpt\n", ""), monkeypatch)
    write(
        tmp_path,
        "bin/exim4",
        f'#!/bin/sh\n[ "$2" = config ] && cat {tmp_path}/bin/exim4.txt'
        ' || echo "acl_smtp_rcpt = acl_check_rcpt"\n',
    )
    found = list(exim.check(site(tmp_path, LINE)))
    assert [(f.level, what in f.what) for f in found] == [(level, True)], found


def test_exims_acl_in_a_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "exim4", "acl_smtp_rcpt = /etc/exim4/poplock.acl\n", monkeypatch)
    looked = site(tmp_path, LINE)
    assert [f.what for f in exim.check(looked)] == [
        "the RCPT ACL /etc/exim4/poplock.acl is missing or empty"
    ]
    write(tmp_path, "etc/exim4/poplock.acl", acl(looked.config))
    assert [f.level for f in exim.check(looked)] == [Level.WELL]


@pytest.mark.parametrize(
    ("rules", "level", "what"),
    [
        ("R$* $| $* <OK>\t$#OK\nR$* $| $*\t$: $1\n", Level.WELL, "positive mark"),
        ("R$+\t$#OK\n", Level.BAD, "isn't a plain no"),
        ("R$* $| YES\t$#OK\n", Level.LOOK, "no rule looks for the mark"),
    ],
)
def test_sendmails_rules(tmp_path: Path, rules: str, level: Level, what: str) -> None:
    cf = f"Kpoplock socket -T<TMPF> -a<OK> inet:10032@127.0.0.1\nSLocal_check_rcpt\n{rules}Sother\n"
    write(tmp_path, "/etc/mail/sendmail.cf", cf)
    ((seen, text),) = [(f.level, f.what) for f in sendmail.check(site(tmp_path))]
    assert (seen, what in text) == (level, True), text


def test_a_sendmail_that_knows_nothing_of_poplock(tmp_path: Path) -> None:
    write(tmp_path, "/etc/mail/sendmail.cf", "Kaccess hash /etc/mail/access\n")
    ((level, what),) = [(f.level, f.what) for f in sendmail.check(site(tmp_path))]
    assert level is Level.BAD
    assert "nobody is let in" in what


@pytest.mark.parametrize(
    ("matches", "level", "what"),
    [
        (
            "match from any for domain a action l\nmatch from src <poplock> for any action o",
            Level.WELL,
            "right place",
        ),
        ("match from any for domain a action l", Level.BAD, "no match uses"),
        (
            "match from src <poplock> for any action o\nmatch from any for any action o",
            Level.BAD,
            "open relay",
        ),
        (
            "match from src <poplock> for any action o\nmatch from any for domain a action l",
            Level.LOOK,
            "behind poplock's",
        ),
    ],
)
def test_opensmtpds_matches(tmp_path: Path, matches: str, level: Level, what: str) -> None:
    write(tmp_path, "/etc/smtpd.conf", f"table poplock file:/var/lib/relays\n{matches}\n")
    config = MAP.format("text", "/var/lib/relays") + 'form = "opensmtpd"\n'
    ((seen, text),) = [(f.level, f.what) for f in opensmtpd.check(site(tmp_path, config))]
    assert (seen, what in text) == (level, True), text


def test_a_qmail_without_rcpthosts_and_a_tcpserver_that_asks_nobody(tmp_path: Path) -> None:
    write(tmp_path, "/var/qmail/control/me", "mx")
    write(tmp_path, "/proc/7/cmdline", "tcpserver\0-x\0/etc/other.cdb\0000\0smtp\0qmail-smtpd\0")
    config = MAP.format("cdb", "/etc/tcprules/smtp.cdb")
    found = [(f.level, f.what) for f in qmail.check(site(tmp_path, config))]
    assert [level for level, _ in found] == [Level.BAD, Level.LOOK]
    write(tmp_path, "/var/qmail/control/rcpthosts", "example.org")
    write(tmp_path, "/proc/7/cmdline", "tcpserver\0-x\0/etc/tcprules/smtp.cdb\0000\0smtp\0x\0")
    assert [f.level for f in qmail.check(site(tmp_path, config))] == [Level.WELL] * 2


def test_courier_reads_only_what_was_compiled(tmp_path: Path) -> None:
    path = "/etc/courier/smtpaccess/poplock"
    write(tmp_path, "/etc/courier/esmtpd", "")
    write(tmp_path, path, "")
    write(tmp_path, "/etc/courier/smtpaccess.dat", "")
    config = MAP.format("text", path) + 'form = "courier"\n'
    (found,) = courier.check(site(tmp_path, config))
    assert "no `after`" in found.what
    config += 'after = ["/usr/sbin/makesmtpaccess"]\n'
    assert [f.level for f in courier.check(site(tmp_path, config))] == [Level.WELL]
    os.utime(tmp_path / "etc/courier/smtpaccess.dat", (1, 1))
    assert [f.level for f in courier.check(site(tmp_path, config))] == [Level.BAD]


def test_many_users_of_one_address_are_told(tmp_path: Path) -> None:
    def grants(network: str, users: int) -> list[dict[str, object]]:
        return [{"network": network, "user": f"user{i}"} for i in range(users)]

    rows = [*grants("10.0.0.7/32", 3), *grants("203.0.113.9/32", 4), *grants("198.51.100.1/32", 9)]
    found = {f.where: f.what for f in clients.check(site(tmp_path, grants=rows))}
    # Addresses for documentation count as private.
    assert set(found) >= {"network 10.0.0.7/32"}
    assert found["network 10.0.0.7/32"].startswith("3 users (user0, user1, user2) logged in from")
    assert "proxy or webmail" in found["network 10.0.0.7/32"]
    rows = [*grants("9.9.9.9/32", 5), *grants("8.8.8.8/32", 4)]
    ((where, what),) = [(f.where, f.what) for f in clients.check(site(tmp_path, grants=rows))]
    assert where == "network 9.9.9.9/32"
    assert what.startswith("5 users (user0, user1, user2, ...) logged in from here: a NAT")
    (well,) = clients.check(site(tmp_path, grants=grants("8.8.8.8/32", 2)))
    assert well.level is Level.WELL


def test_maps_that_are_missing_stale_or_renewed(tmp_path: Path) -> None:
    path = tmp_path / "relay.cdb"
    stands = site(Path("/"), MAP.format("address_cdb", path))
    (found,) = service.check_maps(stands)
    assert "isn't there" in found.what
    path.write_bytes(b"")
    assert next(service.check_maps(stands)).what == "empty of grants"
    settings = stands.config.map[0]
    with make_lease(settings, SystemClock()).renewal():
        pass
    assert next(service.check_maps(stands)).what == "still within its lease"
    Path(f"{path}.lease").write_text("another-boot 9999999\n")
    found = next(service.check_maps(stands))
    assert (found.level, "run out" in found.what) == (Level.BAD, True)
    assert Path(f"{path}.lease").exists()  # a doctor looks


def test_a_log_that_everybody_may_write_is_no_evidence(tmp_path: Path) -> None:
    write(tmp_path, "/var/log/mail.log", "")
    config = '[[source]]\ntype = "file"\npath = "/var/log/mail.log"\n'
    (tmp_path / "var/log/mail.log").chmod(0o666)
    found = list(service.check_sources(site(tmp_path, config)))
    assert any("forge a login" in f.what for f in found)
    (tmp_path / "var/log/mail.log").chmod(0o640)
    assert not any("forge" in f.what for f in service.check_sources(site(tmp_path, config)))


def test_the_command_says_each_finding_and_its_mend_and_exits_1_where_one_is_bad(
    tmp_path: Path,
) -> None:
    write(tmp_path, "poplock.toml", f'[control]\npath = "{tmp_path}/no.sock"\n')
    options = ["--no-relay", "--config", str(tmp_path / "poplock.toml")]
    result = CliRunner().invoke(command, options)
    assert result.exit_code == 1
    assert "BAD   daemon: no daemon listens on" in result.output
    assert "      -> systemctl start poplock" in result.output
    result = CliRunner().invoke(command, [*options, "--json"])
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert rows[0]["level"] == "bad"
    assert set(rows[0]) == {"level", "where", "what", "mend"}


def test_the_relay_test_survives_a_server_that_hangs_up(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=hang_up)
        thread.start()
        address = server.getsockname()
        findings = list(relay.check(address, None, "example.org", lambda *_: None))
        server.shutdown(socket.SHUT_RDWR)
    thread.join()
    assert [f.level for f in findings] == [Level.LOOK]
    assert "does not answer" in findings[0].what
