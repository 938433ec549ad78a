"""Postfix: the policy service, and the tables it can look a client up in."""

from __future__ import annotations

from testbed import servers
from testbed.printed import parameters

from ..route import Place, Route

_USER = {
    "local_recipient_maps": "inline:{user@example.org=x}",
    "smtpd_error_sleep_time": "0",  # the forms of the open-relay test are errors, one and all
    "smtpd_soft_error_limit": "1000",
    "smtpd_hard_error_limit": "1000",
}


def _start(place: Place) -> None:
    """With the lines of `poplock setup postfix`."""
    printed = place.printed("postfix")
    main = parameters(printed.pop("/etc/postfix/main.cf"))
    for path, lines in printed.items():
        place.host.write(path, lines)
    servers.start_postfix(place.host, {**_USER, **main})


ROUTES = (
    Route(
        "Postfix, policy service",
        ("postfix",),
        '[[answer]]\ntype = "postfix_policy"\nlisten = "inet:127.0.0.1:10031"\n',
        _start,
        servers.PREPARE_POSTFIX,
    ),
    Route(
        "Postfix, cdb",
        ("postfix", "postfix-cdb"),
        '[[map]]\ntype = "address_cdb"\npath = "{maps}/relay.cdb"\n',
        _start,
        servers.PREPARE_POSTFIX,
        soft=False,
        clears=True,
    ),
    Route(
        "Postfix, lmdb",
        ("postfix", "postfix-lmdb"),
        '[[map]]\ntype = "postfix_lmdb"\npath = "{maps}/relay.lmdb"\n',
        _start,
        servers.PREPARE_POSTFIX,
        soft=False,
        clears=True,
    ),
    Route(
        "Postfix, sqlite",
        ("postfix", "postfix-sqlite", "postfix-cdb"),
        '[[map]]\ntype = "sqlite"\npath = "{maps}/relay.sqlite"\n'
        'stamp = "{maps}/relay.stamp.cdb"\n',
        _start,
        servers.PREPARE_POSTFIX,
        soft=False,
        clears=True,
    ),
    Route(
        "Postfix, socketmap",
        ("postfix",),
        '[[answer]]\ntype = "socketmap"\nlisten = "inet:127.0.0.1:10032"\n',
        _start,
        servers.PREPARE_POSTFIX,
        endless=True,  # 100 s, in Postfix's source
    ),
    Route(
        "Postfix, tcp_table",
        ("postfix",),
        '[[answer]]\ntype = "tcp_table"\nlisten = "inet:127.0.0.1:10034"\n',
        _start,
        servers.PREPARE_POSTFIX,
        endless=True,
        sessions=28,  # smtpd tries for nine seconds at each recipient
        releases=("trixie",),
    ),
)
