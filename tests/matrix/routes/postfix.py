"""Postfix: the policy service, and the tables it can look a client up in."""

from __future__ import annotations

from collections.abc import Callable

from testbed import servers
from testbed.demo import relay_restrictions

from ..route import Place, Route

_USER = {
    "local_recipient_maps": "inline:{user@example.org=x}",
    "smtpd_error_sleep_time": "0",  # the forms of the open-relay test are errors, one and all
    "smtpd_soft_error_limit": "1000",
    "smtpd_hard_error_limit": "1000",
}


def _policy(place: Place) -> None:
    lines = relay_restrictions(place.config.read_text())
    servers.start_postfix(place.host, {**_USER, "smtpd_relay_restrictions": lines})


def _table(table: str) -> Callable[[Place], None]:
    """The client's address looked up in a table, behind what is for ourselves."""

    def start(place: Place) -> None:
        lines = (
            "permit_mynetworks, permit_auth_destination,"
            f" check_client_access {table}, reject_unauth_destination"
        )
        servers.start_postfix(place.host, {**_USER, "smtpd_relay_restrictions": lines})

    return start


ROUTES = (
    Route(
        "Postfix, policy service",
        ("postfix",),
        '[[answer]]\ntype = "postfix_policy"\nlisten = "inet:127.0.0.1:10031"\n',
        _policy,
        servers.PREPARE_POSTFIX,
    ),
    Route(
        "Postfix, cdb",
        ("postfix", "postfix-cdb"),
        '[[map]]\ntype = "address_cdb"\npath = "{maps}/relay.cdb"\n',
        _table("cdb:/shared/maps/relay"),
        servers.PREPARE_POSTFIX,
        soft=False,
        clears=True,
    ),
    Route(
        "Postfix, lmdb",
        ("postfix", "postfix-lmdb"),
        '[[map]]\ntype = "postfix_lmdb"\npath = "{maps}/relay.lmdb"\n',
        _table("lmdb:/shared/maps/relay"),
        servers.PREPARE_POSTFIX,
        soft=False,
        clears=True,
    ),
)
