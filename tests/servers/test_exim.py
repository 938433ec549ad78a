"""Exim: the user who earned the grant reaches it, and nobody else can say who that was."""

import re
import smtplib
import socket
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

from testbed import clients
from tests.daemon import ROOT
from tests.matrix.measure import ADDRESS, NEIGHBOUR, Bench, bench, permitted
from tests.matrix.route import Place, Route
from tests.matrix.routes.exim import ROUTES, start

LETTER = "Subject: {}\nX-Poplock-User: mallory\nx-poplock-user: eve\n\nHello\n"


EVERY = [*((route, "bookworm") for route in ROUTES), (ROUTES[0], "trixie")]


def name(param: tuple[Route, str]) -> str:
    return f"{param[0].name}-{param[1]}"


@pytest.fixture(scope="module", params=EVERY, ids=name)
def exim(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    route, release = request.param
    with bench(route, release, tmp_path_factory.mktemp("exim")) as running:
        running.log_in()
        assert permitted(running.until(permitted))
        yield running


def send(exim: Bench, source: str, subject: str, *recipients: str) -> None:
    class Client(smtplib.SMTP):
        def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
            return exim.host.connect(source, port)

    with Client("mx", 25, local_hostname="client.test") as client:
        client.sendmail("ann@example.org", recipients, LETTER.format(subject))


def received(exim: Bench, subject: str) -> Message:
    """The letter as it lies in the mailbox."""

    def text() -> str:
        return exim.host.run(["sh", "-c", "cat /var/mail/user 2>/dev/null || :"])

    exim.poplock.until(lambda: f"Subject: {subject}\n" in text(), f"{subject} in the mailbox")
    letters = [message_from_string(part) for part in re.split(r"(?m)^From .*\n", text())]
    return next(letter for letter in letters if letter["Subject"] == subject)


def test_a_letter_carries_the_user_who_earned_the_grant_and_no_forged_one(exim: Bench) -> None:
    send(exim, ADDRESS, "granted", clients.FOREIGN, clients.LOCAL)
    assert received(exim, "granted").get_all("X-Poplock-User") == ["alice"]


def test_a_strangers_letter_carries_no_user(exim: Bench) -> None:
    send(exim, NEIGHBOUR, "stranger", clients.LOCAL)
    assert received(exim, "stranger").get_all("X-Poplock-User") is None


def test_the_log_says_whose_login_a_relay_rests_on(exim: Bench) -> None:
    exim.cell()
    log = exim.host.run(["cat", "/var/log/exim4/mainlog"])
    assert f"relay for [{ADDRESS}]: login of alice" in log


def test_a_look_without_a_client_says_the_same(exim: Bench) -> None:
    script = "EHLO x\nMAIL FROM:<>\nRCPT TO:<someone@elsewhere.test>\nQUIT\n"

    def said(address: str) -> str:
        return exim.host.run(["sh", "-c", f"printf '{script}' | exim4 -bh {address} 2>&1"])

    assert "\n250 Accepted" in said(ADDRESS)
    assert "\n550 relay not permitted" in said(NEIGHBOUR)


@pytest.mark.parametrize("exim", [p for p in EVERY if p[0].clears], ids=name, indirect=True)
def test_a_missing_map_defers_relaying_and_nothing_else(exim: Bench) -> None:
    exim.host.run(["mv", "/shared/maps", "/shared/gone"])
    try:
        cell = exim.cell()
    finally:
        exim.host.run(["mv", "/shared/gone", "/shared/maps"])
    assert 400 <= cell.relay < 500
    assert cell.local == 250


LATER = "!condition = ${if def:acl_m_poplock_user}"
EARLIER = (
    "!condition = ${if eq{${readsocket{inet:127.0.0.1:10033}"
    r"{check $sender_host_address\n}{3s:shutdown=no}{}{no}}}{yes}}"
)


@pytest.mark.parametrize(
    ("macro", "condition"),
    [("MAIN_ACL_CHECK_MAIL", EARLIER), ("MAIN_ACL_CHECK_DATA", LATER)],
    ids=["before RCPT", "after RCPT"],
)
def test_checks_at_other_times_can_spare_a_granted_client(
    tmp_path: Path, macro: str, condition: str
) -> None:
    guide = (ROOT / "docs/how-to/mta/exim.md").read_text()
    assert condition in guide, "what is tested is what the guide says"

    def begin(place: Place) -> None:
        place.host.write("/etc/exim4/check.acl", f"deny {condition}\naccept\n")
        start(place, {macro: "/etc/exim4/check.acl"})

    with bench(replace(ROUTES[0], start=begin), "bookworm", tmp_path) as running:
        running.log_in()
        running.poplock.until(
            lambda: running.poplock.answer(ADDRESS) == "permit", "the login is read"
        )
        send(running, ADDRESS, "spared", clients.FOREIGN)
        with pytest.raises(smtplib.SMTPException):
            send(running, NEIGHBOUR, "checked", clients.LOCAL)
