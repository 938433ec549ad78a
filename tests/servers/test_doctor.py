"""`poplock doctor` beside a real Postfix that is wired rightly, and in each of the wrong ways."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from poplock.doctor import relay
from poplock.doctor.site import Level
from testbed import servers
from testbed.host import SERVER4
from tests.matrix.measure import NEIGHBOUR, Bench, bench
from tests.matrix.routes.postfix import ROUTES

(POLICY,) = [r for r in ROUTES if r.name == "Postfix, policy service"]
ASK = "check_policy_service { inet:127.0.0.1:10031, { default_action = DEFER later } }"


@pytest.fixture(scope="module")
def postfix(release: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench(POLICY, release, tmp_path_factory.mktemp("poplock")) as running:
        yield running


def says(b: Bench, restrictions: str, **settings: str) -> list[tuple[Level, str]]:
    """The doctor's findings about Postfix with these settings."""
    servers.reload_postfix(b.host, {"smtpd_relay_restrictions": restrictions, **settings})
    return [(f.level, f.what) for f in b.doctor() if f.where.startswith("Postfix")]


@pytest.mark.parametrize(
    ("restrictions", "level", "what"),
    [
        (
            f"permit_mynetworks, permit_auth_destination, {ASK}, reject_unauth_destination",
            Level.WELL,
            "asks poplock at the right place",
        ),
        ("permit_mynetworks, reject_unauth_destination", Level.BAD, "does not ask poplock"),
        (f"permit_mynetworks, {ASK}", Level.BAD, "nothing refuses foreign recipients"),
        (f"reject_unauth_destination, {ASK}, reject", Level.BAD, "never reached"),
        (f"permit, {ASK}, reject_unauth_destination", Level.BAD, "an open relay"),
        (
            f"permit_auth_destination, {ASK}, reject_unauth_destination",
            Level.LOOK,
            "your own hosts ask poplock too",
        ),
        (f"permit_mynetworks, {ASK}, reject_unauth_destination", Level.LOOK, "local mail waits"),
        (
            "permit_mynetworks, permit_auth_destination,"
            " check_policy_service inet:127.0.0.1:10031, reject_unauth_destination",
            Level.LOOK,
            "no default_action",
        ),
    ],
)
def test_the_order_of_postfixs_restrictions(
    postfix: Bench, restrictions: str, level: Level, what: str
) -> None:
    found = says(postfix, restrictions)
    assert any(level is seen and what in text for seen, text in found), found
    assert all(seen is not Level.BAD for seen, _ in found) or level is Level.BAD, found


def test_checks_that_would_refuse_a_granted_device_are_named(postfix: Bench) -> None:
    right = f"permit_mynetworks, permit_auth_destination, {ASK}, reject_unauth_destination"
    lists = {
        "smtpd_client_restrictions": "permit_mynetworks, reject_rbl_client dnsbl.example.org",
        "smtpd_helo_restrictions": f"{ASK}, reject_non_fqdn_helo_hostname",
        "smtpd_sender_restrictions": "reject_unknown_sender_domain",
        "smtpd_recipient_restrictions": "check_policy_service inet:127.0.0.1:10023",
    }
    found = [what.partition(" refuses")[0] for _, what in says(postfix, right, **lists)]
    assert found == [
        "asks poplock at the right place",
        "reject_rbl_client in smtpd_client_restrictions",
        "check_policy_service in smtpd_recipient_restrictions",
    ]
    none = dict.fromkeys(lists, "")
    assert len(says(postfix, right, **none)) == 1


def test_wide_networks_and_services_of_their_own_are_seen(postfix: Bench) -> None:
    right = f"permit_mynetworks, permit_auth_destination, {ASK}, reject_unauth_destination"
    found = says(postfix, right, mynetworks="127.0.0.0/8 203.0.0.0/8")
    assert any("203.0.0.0/8: all of it may relay" in text for _, text in found)
    own = "smtp/inet/smtpd_relay_restrictions=permit_mynetworks"
    postfix.host.run(["postconf", "-P", own])
    try:
        found = says(postfix, right, mynetworks="192.0.2.254/32")
        assert any("does not ask poplock" in text for _, text in found)
    finally:
        postfix.host.run(["postconf", "-P", "-X", own.partition("=")[0]])


def test_the_relay_test_sees_an_open_relay_and_a_closed_one_and_who_is_trusted(
    postfix: Bench,
) -> None:
    right = f"permit_mynetworks, permit_auth_destination, {ASK}, reject_unauth_destination"

    def test_from(source: str, restrictions: str) -> list[tuple[Level, str]]:
        servers.reload_postfix(postfix.host, {"smtpd_relay_restrictions": restrictions})
        connect = partial(postfix.host.connect, source, 25)
        findings = relay.offer(connect, (SERVER4, 25), None, "example.org", lambda *_: None)
        return [(f.level, f.what) for f in findings]

    assert test_from(NEIGHBOUR, right) == [(Level.WELL, "28 forms tried, all refused")]
    ((level, what),) = test_from(NEIGHBOUR, f"check_client_access static:OK, {right}")
    assert level is Level.LOOK
    assert "relays for everybody" in what
    half_open = f"check_sender_access inline:{{example.org=OK}}, {right}"
    found = test_from(NEIGHBOUR, half_open)
    assert [(level, what.partition(":")[0]) for level, what in found] == [
        (Level.BAD, "own domain as sender"),
        (Level.BAD, "sender without a domain"),  # Postfix appends its own
    ]


def test_a_socket_out_of_the_chroots_reach_is_seen(postfix: Bench, tmp_path: Path) -> None:
    config = postfix.poplock.config
    text = config.read_text()
    config.write_text(text.replace("inet:127.0.0.1:10031", f"unix:{tmp_path}/policy.sock"))
    try:
        found = {f.where: f.what for f in postfix.doctor()}
        chrooted = postfix.host.run(["postconf", "-M", "smtp/inet"]).split()[4] == "y"
        assert ("runs in a chroot" in found[f"socket {tmp_path}/policy.sock"]) == chrooted
    finally:
        config.write_text(text)
