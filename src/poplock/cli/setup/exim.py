r"""Exim asks poplock by `${readsocket}`, or looks into one of its maps.

The statements form an ACL in a file of its own that hands over to the one that was there before, so
no file of Debian's is edited. They ask about foreign domains only: mail for this host's own ones
never waits for poplock, nor for a map that can't be read. Whatever goes wrong in a look-up is a
"try again later", because `accept` defers then; `warn` would go on, and refuse.
"""

from collections.abc import Sequence

from ...config import Config
from ...config.answers import LineSettings
from ...config.listen import Listen
from ...config.maps import (
    AddressCdbSettings,
    AddressesSettings,
    MapSettings,
    SqliteSettings,
    TextSettings,
)
from ...core.errors import PoplockError

ACL_FILE = "/etc/exim4/poplock.acl"
_FOREIGN = "domains = ! +local_domains : ! +relay_to_domains"
_SQLITE = r"""${lookup sqlite,file=%s\
            {SELECT user FROM relay WHERE ip = '${quote_sqlite:$sender_host_address}'\
            AND expires > $tod_epoch}{$value}{}}"""
_LACKING = """\
the configuration has neither an answer nor a map for Exim; add to it one of:

[[answer]]
type = "line"
listen = "inet:127.0.0.1:10033"

[[map]]
type = "sqlite"
path = "/run/poplock/relay.db"

[[map]]
type = "address_cdb"
path = "/run/poplock/relay.cdb"
value = "user"

[[map]]
type = "addresses"
path = "/run/poplock/addresses"

[[map]]
type = "text"
form = "exim"
path = "/run/poplock/relay.exim"
"""


def lines(config: Config) -> str:
    """Where the ACL goes, and the ACL."""
    return f"""\
# 1. A file {ACL_FILE} with what follows below.
#
# 2. Have Exim use it before its own rules. On Debian, one line
#      MAIN_ACL_CHECK_RCPT = {ACL_FILE}
#    in /etc/exim4/conf.d/main/000_localmacros (with dc_use_split_config='true') or in
#    /etc/exim4/exim4.conf.localmacros (without), then: update-exim4.conf && systemctl reload exim4
#    Debian's CHECK_RCPT_LOCAL_ACL_FILE is no place for it: it is read after "relay not permitted".
#    Without Debian's macros: acl_smtp_rcpt = {ACL_FILE}, and the name of your own RCPT ACL at
#    the end of the file in place of acl_check_rcpt.
#
# 3. To see it work, after a POP or IMAP login from 203.0.113.9:
#      exim4 -bh 203.0.113.9        (EHLO x, MAIL FROM:<>, RCPT TO:<someone@elsewhere.test>)
#    says "250 Accepted", and "550 relay not permitted" without the login. For IPv6 look at a real
#    connection: -bh writes the address out in full, which only readsocket and iplsearch know.

{acl(config)}"""


def acl(config: Config) -> str:
    """The file."""
    return f"""\
# Nobody but this host says who earned the right to relay.
warn    remove_header = X-Poplock-User

{_asks(config)}
# All the rest is decided as before.
accept  endpass
        acl = acl_check_rcpt
"""


def _asks(config: Config) -> str:
    for answer in config.answer:
        if isinstance(answer, LineSettings):
            return _readsocket(answer, with_sender=config.policy.match_sender)
    for settings in config.map:
        condition = _lookup(settings)
        if condition is not None:
            return _accept(condition)
    raise PoplockError(_LACKING)


def _readsocket(answer: LineSettings, *, with_sender: bool) -> str:
    socket = Listen.read(answer.listen)
    host = f"[{socket.host}]" if socket.host and ":" in socket.host else socket.host
    address = socket.path or f"inet:{host}:{socket.port}"

    who = "$sender_host_address $sender_address" if with_sender else "$sender_host_address"

    def ask(question: str) -> str:
        request = rf"{question} {who}\n"
        return f"${{readsocket{{{address}}}{{{request}}}{{3s:shutdown=no}}{{}}{{unavailable}}}}"

    conditions = (
        f"set acl_m_poplock = {ask('check')}",
        "condition = ${if eq{$acl_m_poplock}{yes}}",
        f"set acl_m_poplock_user = {ask('user')}",
    )
    note = f"# Exim runs as Debian-exim: {socket.path} must be open to it (`group`, `mode`).\n"
    return f"""\
{note if socket.path else ""}{_accept(conditions)}
# Anything but a "no", and no answer is none: the client shall try again.
defer   {_FOREIGN}
        !condition = ${{if eq{{$acl_m_poplock}}{{no}}}}
        message = relay authorization unavailable, try again later
"""


def _lookup(settings: MapSettings) -> Sequence[str] | None:
    """Conditions that look into a map, where Exim can read it and it holds the users."""
    key, path = "$sender_host_address", settings.path
    match settings:
        case TextSettings(form="exim"):
            return f"hosts = net-iplsearch;{path}", "set acl_m_poplock_user = $host_data"
        case SqliteSettings():
            user = _SQLITE % path
        case AddressCdbSettings(value="user"):
            user = f"${{lookup{{{key}}}cdb{{{path}}}{{$value}}{{}}}}"
        case AddressesSettings():
            read = f"${{readfile{{{path}/$value}}{{}}}}"
            user = f"${{lookup{{{key}}}dsearch{{{path}}}{{{read}}}{{}}}}"
        case _:
            return None
    return f"set acl_m_poplock_user = {user}", "condition = ${if def:acl_m_poplock_user}"


def _accept(conditions: Sequence[str]) -> str:
    """Let the client relay, as Debian's rules do it for hosts of one's own."""
    statement = (
        f"accept  {_FOREIGN}",
        *conditions,
        "control = submission/sender_retain",
        "control = dkim_disable_verify",
        "logwrite = relay for [$sender_host_address]: login of $acl_m_poplock_user",
        "# Recipients can read it; leave it out if they shall not know your users' names.",
        "add_header = X-Poplock-User: ${rfc2047:$acl_m_poplock_user}",
    )
    return "\n        ".join(statement) + "\n"
