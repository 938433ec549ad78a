"""A granted device passes the checks that an MTA has for strangers, by the lines we give for that.

Real greylisting (postgrey, greylistd), a real blacklist (rbldnsd) that lists the device, as lists
do with roaming clients, an MTA that demands a HELO that no device says, and real spam filters. The
lines are those of `poplock setup` and of the how-tos.
"""

from __future__ import annotations

import re
import smtplib
import socket
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from types import MappingProxyType

import pytest

from testbed import clients, servers
from testbed.printed import parameters
from testbed.servers.checks import (
    ZONE,
    start_greylistd,
    start_postgrey,
    start_rbldnsd,
    start_rspamd,
)
from tests.daemon import ROOT
from tests.matrix.measure import ADDRESS, NEIGHBOUR, Bench, bench, permitted, refused
from tests.matrix.route import Place, Route
from tests.matrix.routes import courier, exim, opensmtpd, sendmail, tcpserver
from tests.matrix.routes.postfix import ROUTES as POSTFIX

LISTED = (ADDRESS, NEIGHBOUR)
UNLISTED = "203.0.113.7"


def said(
    b: Bench,
    source: str,
    recipient: str = clients.FOREIGN,
    sender: str = "ann@example.org",
    helo: str = "printer",
) -> str:
    """The reply to a recipient from a device that says the HELO of a device."""

    class Client(smtplib.SMTP):
        def _get_socket(self, name: str, port: int, timeout: float) -> socket.socket:
            return b.host.connect(source, port)

    with Client("mx", 25, local_hostname=helo) as client:
        client.helo()
        code, text = client.mail(sender)
        if code == 250:
            code, text = client.rcpt(recipient)
    return f"{code} {text.decode()}"


def read(b: Bench, who: str = ADDRESS) -> None:
    """Log in, and have it known."""
    b.log_in(who)
    b.poplock.until(lambda: b.poplock.answer(who) == "permit", "the login is read")


POSTFIX_CHECKS = {
    "HELO": ("reject_non_fqdn_helo_hostname", "504 5.5.2 <printer>: Helo command rejected"),
    "DNSBL": (f"reject_rbl_client {ZONE}", "554 5.7.1 Service unavailable; Client host"),
    "greylisting": ("check_policy_service inet:127.0.0.1:10023", "450 4.2.0"),
}
LIST = "smtpd_recipient_restrictions"
MAPS = """
[[map]]
type = "text"
form = "plain"
path = "{maps}/relay.plain"
[[map]]
type = "address_cdb"
path = "{maps}/relay.cdb"
"""


@pytest.fixture(scope="module")
def postfix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    (route,) = [r for r in POSTFIX if r.name == "Postfix, policy service"]
    packages = (*route.packages, "postfix-cdb", "postgrey", "rbldnsd", "rspamd", "spamassassin")
    route = replace(route, packages=packages, config=route.config + MAPS)
    with bench(route, "trixie", tmp_path_factory.mktemp("postfix")) as running:
        start_rbldnsd(running.host, LISTED)
        start_postgrey(running.host)
        yield running


def ask_besides(postfix: Bench, *checks: str, poplock: bool = True) -> None:
    """Have Postfix make these checks, where the printed lines say "yours"."""
    printed = parameters(postfix.place.printed("postfix")["/etc/postfix/main.cf"])
    before = printed[LIST] if poplock else ""
    servers.reload_postfix(postfix.host, {LIST: " ".join((before, ", ".join(checks)))})


@pytest.mark.parametrize("check", POSTFIX_CHECKS)
def test_postfix_lets_a_granted_device_pass_each_check(postfix: Bench, check: str) -> None:
    restriction, refusal = POSTFIX_CHECKS[check]
    ask_besides(postfix, restriction, poplock=False)
    read(postfix)
    assert said(postfix, ADDRESS).startswith(refusal), "that is why the lines are needed"
    ask_besides(postfix, restriction)
    for recipient in (clients.FOREIGN, clients.LOCAL):
        assert said(postfix, ADDRESS, recipient).startswith("250"), recipient
    assert said(postfix, NEIGHBOUR, clients.LOCAL).startswith(refusal)
    postfix.poplock.run("revoke", "--all")
    assert "Relay access denied" in said(postfix, ADDRESS)
    assert said(postfix, ADDRESS, clients.LOCAL).startswith(refusal)


def test_while_poplock_is_down_the_checks_of_postfix_decide(postfix: Bench) -> None:
    ask_besides(postfix, POSTFIX_CHECKS["DNSBL"][0])
    postfix.poplock.end(9)
    try:
        assert said(postfix, UNLISTED, clients.LOCAL).startswith("250")
        assert said(postfix, NEIGHBOUR, clients.LOCAL).startswith(POSTFIX_CHECKS["DNSBL"][1])
        assert said(postfix, ADDRESS).startswith("450")
    finally:
        postfix.poplock.start()


def told(page: str, begin: str) -> str:
    """The block of a how-to that begins so, as an operator copies it."""
    text = (ROOT / "docs/how-to/mta" / page).read_text()
    block = re.split(r"\n\n(?=\S)", text[text.index(f"    {begin}") :])[0]
    return dedent(block) + "\n"


JUNK = """
JUNK {
    type = "header";
    header = "subject";
    regexp = true;
    map = "/etc/rspamd/junk";
    score = 20;
}
"""


def test_spam_filters_spare_a_granted_device(postfix: Bench) -> None:
    host, maps = postfix.host, postfix.maps
    rule = told("README.md", "POPLOCK {").replace("/run/poplock", str(maps))
    host.write("/etc/rspamd/junk", "/junk/\n")
    start_rspamd(host, rule + JUNK)
    milters = {LIST: "", "smtpd_milters": "inet:127.0.0.1:11332"}
    servers.reload_postfix(host, milters)

    def accepted(source: str) -> bool:
        class Client(smtplib.SMTP):
            def _get_socket(self, name: str, port: int, timeout: float) -> socket.socket:
                return host.connect(source, port)

        with Client("mx", 25, local_hostname="client.test") as client:
            try:
                client.sendmail("ann@example.org", [clients.LOCAL], "Subject: junk\n\nHello\n")
            except smtplib.SMTPDataError as refusal:
                assert refusal.smtp_code == 554, refusal
                return False
        return True

    postfix.poplock.until(lambda: not accepted(ADDRESS), "rspamd has its rules")
    read(postfix)
    postfix.poplock.until(lambda: accepted(ADDRESS), "rspamd has the new map")
    assert not accepted(NEIGHBOUR)
    postfix.poplock.run("revoke", "--all")
    postfix.poplock.until(lambda: not accepted(ADDRESS), "rspamd has the next one")
    line = told("postfix.md", "smtpd_milter_maps = ").replace("/run/poplock", str(maps))
    servers.reload_postfix(host, {**milters, **parameters(line)})
    assert not accepted(ADDRESS)
    read(postfix)
    postfix.poplock.until(lambda: accepted(ADDRESS), "smtpd has the new map")
    assert not accepted(NEIGHBOUR)


def test_the_rule_for_spamassassin_counts(postfix: Bench) -> None:
    postfix.host.write("/etc/spamassassin/poplock.cf", told("README.md", "header   POPLOCK_USER"))
    letter = "printf 'X-Poplock-User: ann\\nSubject: x\\n\\nHello\\n'"
    report = postfix.host.run(["sh", "-c", f"{letter} | spamassassin --local --test-mode 2>&1"])
    assert "-20 POPLOCK_USER" in report
    assert "failed to parse" not in report


# A sender for each, because Exim reads the file at its start.
EXIM_CHECKS = """\
deny    senders = helo@example.org
        !acl = acl_local_deny_exceptions
        !condition = ${if match{$sender_helo_name}{[.]}}
        message = HELO
deny    senders = dnsbl@example.org
        !acl = acl_local_deny_exceptions
        dnslists = ZONE
        message = listed
defer   senders = grey@example.org
        !acl = acl_local_deny_exceptions
        condition = ${readsocket{/run/greylistd/socket}\
            {--grey $sender_host_address $sender_address $local_part@$domain}{5s}{}{false}}
        message = greylisted
""".replace("ZONE", ZONE)
NONE: Mapping[str, str] = MappingProxyType({})
EXIM_SENDERS = {"helo": "550 HELO", "dnsbl": "550 listed", "grey": "451 greylisted"}


def exim_with(
    checks: str, folder: Path, files: Mapping[str, str] = NONE, **macros: str
) -> AbstractContextManager[Bench]:
    """Exim with an operator's own checks, at Debian's place for them."""
    route = exim.ROUTES[0]

    def begin(place: Place) -> None:
        start_rbldnsd(place.host, LISTED)
        start_greylistd(place.host)
        for path, text in {**files, "/etc/exim4/checks.acl": checks}.items():
            place.host.write(path, text)
        exim.start(place, {"CHECK_RCPT_LOCAL_ACL_FILE": "/etc/exim4/checks.acl", **macros})

    packages = (*route.packages, "greylistd", "rbldnsd")
    return bench(replace(route, packages=packages, start=begin), "trixie", folder)


@pytest.fixture(scope="module")
def exim_with_checks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with exim_with(EXIM_CHECKS, tmp_path_factory.mktemp("exim")) as running:
        yield running


@pytest.mark.parametrize("sender", EXIM_SENDERS)
def test_exim_lets_a_granted_device_pass_each_check(exim_with_checks: Bench, sender: str) -> None:
    running, refusal, sender = exim_with_checks, EXIM_SENDERS[sender], f"{sender}@example.org"
    read(running)
    assert said(running, ADDRESS, sender=sender).startswith("250")
    assert said(running, NEIGHBOUR, clients.LOCAL, sender).startswith(refusal)
    running.poplock.run("revoke", "--all")
    assert said(running, ADDRESS, sender=sender).startswith("550 relay not permitted")
    assert said(running, ADDRESS, clients.LOCAL, sender).startswith(refusal)


def test_exim_can_spare_a_granted_devices_mail_to_its_own_domains_too(tmp_path: Path) -> None:
    macro = told("exim.md", "LOCAL_DENY_EXCEPTIONS_LOCAL_ACL_FILE")
    name, path = macro.strip().split(" = ")
    exceptions = told("exim.md", "warn    !condition = ${if def:acl_m_poplock_spare}")
    with exim_with(EXIM_CHECKS, tmp_path, {path: exceptions}, **{name: path}) as running:
        read(running)
        for sender, refusal in EXIM_SENDERS.items():
            local = (clients.LOCAL, f"{sender}@example.org")
            assert said(running, ADDRESS, *local).startswith("250"), sender
            assert said(running, NEIGHBOUR, *local).startswith(refusal)
        running.poplock.end(9)
        assert said(running, ADDRESS, *local).startswith(refusal)


def test_sendmail_with_delayed_checks_lets_a_granted_device_pass_a_blacklist(
    tmp_path: Path,
) -> None:
    def begin(place: Place) -> None:
        start_rbldnsd(place.host, LISTED)
        sendmail.start(place, f"FEATURE(`dnsbl', `{ZONE}', `listed')dnl\n")

    route = sendmail.ROUTES[0]
    route = replace(route, packages=(*route.packages, "rbldnsd"), start=begin)
    with bench(route, "trixie", tmp_path) as running:
        read(running)
        assert running.until(permitted).relay == 250
        assert said(running, NEIGHBOUR, clients.LOCAL).endswith("listed")
        running.poplock.run("revoke", "--all")
        assert running.until(refused).relay == 550
        assert said(running, ADDRESS, clients.LOCAL).endswith("listed")


@pytest.mark.parametrize("route", courier.ROUTES, ids=lambda route: route.name)
def test_courier_lets_a_granted_device_pass_a_blacklist_and_its_check_of_helo(
    route: Route, tmp_path: Path
) -> None:
    def begin(place: Place) -> None:
        start_rbldnsd(place.host, LISTED)
        place.host.write("/etc/courier/spare", told("courier.md", "  #!/bin/sh"), 0o755)
        checks = f'BLACKLISTS="-block={ZONE}"\nBOFHCHECKHELO=1\n'
        courier.start(place, checks, behind="/etc/courier/spare")

    route = replace(route, packages=(*route.packages, "rbldnsd"), start=begin)
    with bench(route, "trixie", tmp_path) as running:
        read(running)
        assert running.until(permitted).relay == 250
        for recipient in (clients.FOREIGN, clients.LOCAL):
            assert said(running, ADDRESS, recipient).startswith("250"), recipient
        assert "Blacklisted" in said(running, NEIGHBOUR, clients.LOCAL, helo=f"[{NEIGHBOUR}]")
        assert said(running, UNLISTED, clients.LOCAL).startswith("417 DNS lookup on HELO")
        running.poplock.run("revoke", "--all")
        running.until(refused)
        helo = f"[{ADDRESS}]"
        assert said(running, ADDRESS, helo=helo) == "513 Relaying denied."
        assert "Blacklisted" in said(running, ADDRESS, clients.LOCAL, helo=helo)


def test_a_filter_of_opensmtpd_is_bypassed_by_a_granted_device(tmp_path: Path) -> None:
    def begin(place: Place) -> None:
        place.host.write("/etc/helos", "mx.example.org\n")
        opensmtpd.start_with_program(place, listen=told("opensmtpd.md", "table helos"))

    route = opensmtpd.ROUTES[0]
    with bench(replace(route, start=begin), "trixie", tmp_path) as running:
        read(running)
        for recipient in (clients.FOREIGN, clients.LOCAL):
            assert said(running, ADDRESS, recipient).startswith("250"), recipient
        # HELO itself was refused: what follows it is out of turn.
        assert said(running, NEIGHBOUR, clients.LOCAL).startswith("503")
        local = said(running, NEIGHBOUR, clients.LOCAL, helo="mx.example.org")
        assert local.startswith("250")
        running.poplock.run("revoke", "--all")
        assert said(running, ADDRESS, helo="mx.example.org").startswith("550")
        assert said(running, ADDRESS, clients.LOCAL).startswith("503")


@pytest.mark.parametrize("route", tcpserver.ROUTES[:2], ids=lambda route: route.name)
def test_rblsmtpd_lets_a_granted_device_pass(route: Route, tmp_path: Path) -> None:
    def begin(place: Place) -> None:
        start_rbldnsd(place.host, LISTED)
        tcpserver.start(place, before=f"rblsmtpd -r {ZONE}")

    route = replace(route, packages=(*route.packages, "rbldnsd"), start=begin)
    with bench(route, "trixie", tmp_path) as running:
        read(running)
        assert running.until(permitted).relay == 250
        assert said(running, NEIGHBOUR, clients.LOCAL) == "451 listed"
        running.poplock.run("revoke", "--all")
        running.until(refused)
        assert said(running, ADDRESS, clients.LOCAL) == "451 listed"
        assert said(running, UNLISTED).startswith("553")
