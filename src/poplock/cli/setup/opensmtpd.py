"""OpenSMTPD: a table program that asks poplock (7.6 and later), or a table that poplock writes."""

from ...config import Config
from ...config.answers import LineSettings
from ...config.maps import SqliteSettings, TextSettings
from ...core.errors import PoplockError

_SQLITE = "/etc/poplock-opensmtpd.conf"
_QUERY = (
    "SELECT ip FROM relay WHERE ip = trim(?, '[]')"
    " AND expires > CAST(strftime('%s', 'now') AS INTEGER)"
)
_MISSING = """\
the configuration has nothing that OpenSMTPD could ask; for OpenSMTPD 7.6 and later add to it:

[[answer]]
type = "line"
listen = "unix:/run/poplock/line.sock"
group = "opensmtpd"

and for an older one:

[[map]]
type = "text"
form = "opensmtpd"
path = "/run/poplock/opensmtpd.txt"
"""


def lines(config: Config) -> str:
    """Lines for smtpd.conf."""
    for each in (*config.answer, *config.map):
        match each:
            case LineSettings() if each.socket().path is not None:
                return _program(str(each.socket().path))
            case SqliteSettings():
                return _sqlite(each)
            case TextSettings(form="opensmtpd"):
                return _text(each)
    raise PoplockError(_MISSING)


def _conf(table: str) -> str:
    return f"""\
# /etc/smtpd.conf
# The last line stands behind those for your own domains: mail for them never asks the table.
table poplock {table}
match from src <poplock> for any action "outbound"
# "outbound" is your action that relays:   action "outbound" relay
"""


_WORKS = """\
# Then: smtpd -n && systemctl restart opensmtpd
# It works when, after a POP or IMAP login from another host, `poplock check ADDRESS` says permit
# and that host's mail to a foreign domain is accepted. All others hear 550 Invalid recipient.
"""


def _program(socket: str) -> str:
    return f"""\
{_conf(f"poplock:{socket}")}
# OpenSMTPD 7.6 or later: smtpd starts table-poplock by the table's name, and says 451 to relay
# attempts while poplock is down. Put the program where smtpd looks for it:
#   ln -s "$(command -v table-poplock)" /usr/libexec/opensmtpd/table-poplock
{_WORKS}"""


def _sqlite(settings: SqliteSettings) -> str:
    return f"""\
{_conf(f"sqlite:{_SQLITE}")}
# {_SQLITE}
# OpenSMTPD before 7.6 with opensmtpd-extras. IPv6 addresses come in brackets.
dbpath {settings.path}
query_netaddr {_QUERY}

{_update(settings.path, settings.after)}{_WORKS}"""


def _text(settings: TextSettings) -> str:
    return f"{_conf(f'file:{settings.path}')}\n{_update(settings.path, settings.after)}{_WORKS}"


def _update(path: str, after: tuple[str, ...]) -> str:
    if after:
        return f"# Behind each change poplock runs {' '.join(after)}.\n#\n"
    return f"""\
# smtpd reads the table when root tells it to, and poplock isn't root. Let systemd do it
# (poplock-opensmtpd.path and .service come with poplock; the path is {path}):
#   systemctl enable --now poplock-opensmtpd.path
#
"""
