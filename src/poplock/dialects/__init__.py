"""How POP/IMAP servers write logins, logouts and failures in a log. One server a file.

To add one: copy the nearest file, add its row here, put real lines into
`tests/samples/dialects/NAME.log`, hostile templates into `NAME.hostile`. The shared suite does the
rest.
"""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import cast

from .model import Dialect

DIALECTS = {
    "dovecot": "dovecot:DIALECT",
    "courier": "courier:DIALECT",
    "cyrus": "cyrus:DIALECT",
    "popa3d": "popa3d:DIALECT",
    "solid_pop3d": "solid_pop3d:DIALECT",
    "mailutils": "mailutils:DIALECT",
    "perdition": "perdition:DIALECT",
    "imapproxy": "imapproxy:DIALECT",
    "vpopmail": "vpopmail:DIALECT",
    "zimbra": "zimbra:DIALECT",
    "nginx": "nginx:DIALECT",
    "stalwart": "stalwart:DIALECT",
    "maddy": "maddy:DIALECT",
    "hmailserver": "hmailserver:DIALECT",
    "mdaemon": "mdaemon:DIALECT",
    "exchange": "exchange:DIALECT",
    "apple": "apple:DIALECT",
    "uw_imapd": "uw:IMAPD",
    "uw_ipop3d": "uw:IPOP3D",
    "qpopper": "qpopper:DIALECT",
    "teapop": "teapop:DIALECT",
    "tpop3d": "tpop3d:DIALECT",
    "gnu_pop3d": "gnu_pop3d:DIALECT",
    "vm_pop3d": "vm_pop3d:DIALECT",
    "cucipop": "cucipop:DIALECT",
}

NAMED_ONLY = frozenset(
    {
        "uw_ipop3d",  # its log can be what a stranger wrote, unless the operator sees to it
        "cucipop",  # whose log isn't known well enough to say
        # Logs of their own, in files that nobody else writes into: elsewhere such a line is forged.
        *("zimbra", "stalwart", "hmailserver", "mdaemon", "exchange", "apple"),
    }
)
"""Read only by sources that name them."""
USUAL = tuple(name for name in DIALECTS if name not in NAMED_ONLY)
"""What a source reads that names none."""

UNNAMED = ("usual",)
"""Stands for those, and for the configuration's own that listen to tags."""


def load(names: Iterable[str], own: Mapping[str, Dialect] | None = None) -> list[Dialect]:
    """The dialects with these names, `own` or in the table; KeyError for one that is in neither."""
    own, names = own or {}, tuple(names)
    if names == UNNAMED:
        tagged = (name for name, dialect in own.items() if all(r.tags for r in dialect.rules))
        names = (*USUAL, *tagged)
    return [own[name] if name in own else _load(DIALECTS[name]) for name in names]


def _load(row: str) -> Dialect:
    module, _, attribute = row.partition(":")
    return cast(Dialect, getattr(import_module(f".{module}", __name__), attribute))
