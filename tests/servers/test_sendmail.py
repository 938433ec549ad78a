"""Sendmail: what the rules rest on, beside the states of the matrix."""

from collections.abc import Iterator

import pytest

from testbed.roots import RELEASES
from tests.matrix.measure import ADDRESS, ADDRESS6, NEIGHBOUR, Bench, bench, permitted
from tests.matrix.route import Route
from tests.matrix.routes.sendmail import ROUTES

HASH = "/shared/maps/sendmail.db"
EVERY = [(route, release) for route in ROUTES for release in RELEASES]


def name(param: tuple[Route, str]) -> str:
    return f"{param[0].name}-{param[1]}"


with_a_hash = pytest.mark.parametrize(
    "sendmail", [p for p in EVERY if p[0].clears], ids=name, indirect=True
)


@pytest.fixture(scope="module", params=EVERY, ids=name)
def sendmail(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    route, release = request.param
    with bench(route, release, tmp_path_factory.mktemp("sendmail")) as running:
        running.log_in()
        assert permitted(running.until(permitted))
        yield running


def test_the_look_that_setup_proposes_shows_the_mark(sendmail: Bench) -> None:
    def said(address: str) -> str:
        look = f'echo "Poplock_grant {address}" | sendmail -bt'
        return sendmail.host.run(["sh", "-c", look])

    assert "< OK >" in said(ADDRESS)
    assert "returns: NO" in said(NEIGHBOUR)
    assert "returns: NO" in said("IPv6:2001:db8:9:0:0:0:0:5")


def test_a_grant_of_an_ipv6_network_holds_for_its_neighbour_and_not_for_the_next_network(
    sendmail: Bench,
) -> None:
    sendmail.log_in(ADDRESS6)
    assert permitted(sendmail.until(permitted, ADDRESS6))
    assert permitted(sendmail.cell("2001:db8:1::6"))
    assert not permitted(sendmail.cell("2001:db8:2::2"))


def test_delayed_checks_spare_a_granted_client_and_nobody_else(sendmail: Bench) -> None:
    rule = r"printf 'Connect:203.0.113\tREJECT\n'"
    sendmail.host.run(["sh", "-c", f"{rule} | makemap hash /etc/mail/access"])
    try:
        assert permitted(sendmail.cell())
        assert sendmail.cell(NEIGHBOUR).local >= 500
    finally:
        sendmail.host.run(["sh", "-c", "makemap hash /etc/mail/access </dev/null"])


@with_a_hash
def test_a_hash_that_is_missing_or_unsafe_defers_relaying_and_nothing_else(
    sendmail: Bench,
) -> None:
    for spoil, mend in (
        (f"mv {HASH} {HASH}.away", f"mv {HASH}.away {HASH}"),
        ("chmod 777 /shared/maps", "chmod 755 /shared/maps"),
    ):
        sendmail.host.run(["sh", "-c", spoil])
        try:
            cell = sendmail.cell()
        finally:
            sendmail.host.run(["sh", "-c", mend])
        assert 400 <= cell.relay < 500, cell
        assert cell.local == 250


@with_a_hash
def test_a_hash_that_another_user_made_is_read(sendmail: Bench) -> None:
    sendmail.host.run(["sh", "-c", f"rm {HASH}; chown daemon /shared/maps"])
    make = f"makemap hash {HASH} && chmod 644 {HASH}"
    as_daemon = "setpriv --reuid daemon --regid daemon --clear-groups sh -c"
    sendmail.host.run(["sh", "-c", f"{as_daemon} '{make}' < /shared/maps/sendmail"])
    assert permitted(sendmail.cell())
    assert not permitted(sendmail.cell(NEIGHBOUR))
