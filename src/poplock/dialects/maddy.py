"""Maddy 0.9: refused logins only, because it logs no successful one with its address.

    2026-11-24T10:00:00.123Z imap: authentication failed<TAB>{"reason":"...","src_ip":
        "192.0.2.7:40112","username":"ann"}                                         (one line)
    maddy[7]: imap: authentication failed#011{...}        through syslog, which escapes the tab

A message, a tab, the fields as JSON in the order of their names (framework/log/log.go,
orderedjson.go); the failures come from internal/endpoint/imap/imap.go and internal/auth/sasl.go.
A login that succeeds is told at debug level at most (`attempting authentication`, before the
password was looked at), without the address. Nothing there is evidence, so nothing is read as a
login: docs/how-to/pop/maddy.md says what to do instead.
"""

import json

from ..core.events import Event, Failure
from .line import OWN, SYSLOG
from .model import Body, Dialect, Head, Rule, address


def _failure(head: Head, body: Body) -> Event:
    fields = json.loads(body[1])
    peer, user = fields.get("src_ip"), fields.get("username")
    if not isinstance(peer, str):
        raise ValueError("no address")
    host = peer.rpartition(":")[0].strip("[]")
    name = user if isinstance(user, str) and user else None
    service = "imap" if head.words.startswith(b"imap") else "smtp"
    return Failure(head.time, address(host.encode("ascii", "replace")), name, service)


DIALECT = Dialect(
    "maddy",
    (
        Rule(
            "failure",
            (b"maddy",),
            rb"(?:imap|smtp|submission)(?:/[a-z]{1,16})?: authentication failed(?:\t|#011)",
            rb"(\{[^\n]{2,4096}\})",
            _failure,
            sure=False,
            forms=(SYSLOG, OWN),
        ),
    ),
)
