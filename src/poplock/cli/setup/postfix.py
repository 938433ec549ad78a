"""Postfix asks poplock's policy service, or looks clients up in a table of poplock's."""

from collections.abc import Sequence
from pathlib import Path

from ...config import Config
from ...config.answers import PostfixPolicySettings, SocketmapSettings, TcpTableSettings
from ...config.listen import Listen
from ...config.maps import AddressCdbSettings, PostfixLmdbSettings, SqliteSettings
from ...core.errors import PoplockError

_CHROOT = "/var/spool/postfix/"
_SQLITE = "/etc/postfix/poplock-sqlite.cf"
_QUERY = """\
SELECT 'OK' FROM relay WHERE ip = '%s'
    AND expires > CAST(strftime('%%s', 'now') AS INTEGER)
"""
_WORKS = """\
# Then: postfix check && postfix reload
# It works when, after a POP or IMAP login from another host, `poplock check ADDRESS` says permit
# and that host's mail to a foreign domain is accepted.
"""


def lines(config: Config) -> str:
    """Lines for main.cf; the policy service where there is one, for it fails best."""
    policy = next((a for a in config.answer if isinstance(a, PostfixPolicySettings)), None)
    if policy is not None:
        return _policy(policy)
    for each in (*config.answer, *config.map):
        match each:
            case SocketmapSettings():
                service, note = _service(each.listen)
                return _tables([f"socketmap:{service}:{each.maps[0]}"], note)
            case TcpTableSettings():
                return _tables([f"tcp:{each.listen.partition(':')[2]}"], "")
            case AddressCdbSettings():
                return _tables([f"cdb:{each.path.removesuffix('.cdb')}"], _file_note(each.path))
            case PostfixLmdbSettings():
                return _tables([f"lmdb:{each.path.removesuffix('.lmdb')}"], _file_note(each.path))
            case SqliteSettings():
                return _sqlite(each)
    raise PoplockError(
        "the configuration has no answer for Postfix; add to it:\n\n"
        '[[answer]]\ntype = "postfix_policy"\nlisten = "inet:127.0.0.1:10031"'
    )


def _policy(answer: PostfixPolicySettings) -> str:
    service, note = _service(answer.listen)
    return f"""\
# /etc/postfix/main.cf
# permit_auth_destination stands before the check: mail for your own domains never waits for
# poplock. The action in braces is what a relay attempt gets while poplock is down: a 4xx.
smtpd_relay_restrictions =
    permit_mynetworks,
    permit_sasl_authenticated,
    permit_auth_destination,
    check_policy_service {{ {service}, timeout=3s,
        {{ default_action = DEFER relay authorization unavailable }} }},
    reject_unauth_destination

# Where you have other checks (HELO, DNSBL, greylisting): they refuse who may relay as well, since a
# permit ends only the list that it stands in. Keep them in this list, behind the question, and not
# in smtpd_client_, _helo_ or _sender_restrictions. While poplock is down, they decide for all.
smtpd_recipient_restrictions =
    permit_mynetworks,
    permit_sasl_authenticated,
    check_policy_service {{ {service}, timeout=1s, try_limit=1,
        {{ default_action = DUNNO }} }},
    # and here: yours
{note}{_WORKS}"""


def _tables(tables: Sequence[str], note: str) -> str:
    checks = "".join(f"    check_client_access {table},\n" for table in tables)
    return f"""\
# /etc/postfix/main.cf
# permit_auth_destination stands before the tables: one that is missing or can't be asked makes
# Postfix say 451, and to your own mail as well if that stood behind.
smtpd_relay_restrictions =
    permit_mynetworks,
    permit_sasl_authenticated,
    permit_auth_destination,
{checks}    reject_unauth_destination
{note}{_WORKS}"""


def _sqlite(settings: SqliteSettings) -> str:
    if settings.stamp is None:
        stamp = Path(settings.path).with_suffix(".stamp.cdb")
        raise PoplockError(
            "a running smtpd keeps the old SQLite file open, and would let a revoked client relay;"
            " add to the map, so that it notices:\n\n"
            f'stamp = "{stamp}"'
        )
    tables = [f"cdb:{settings.stamp.removesuffix('.cdb')}", f"sqlite:{_SQLITE}"]
    return f"""\
{_tables(tables, _file_note(settings.path)).removesuffix(_WORKS)}
# {_SQLITE}
# The cdb before it is empty, and replaced whenever the SQLite file is: smtpd looks for that at
# each session, and starts anew with both. (%% is one % to Postfix.)
dbpath = {settings.path}
query = {_QUERY}
{_WORKS}"""


def _file_note(path: str) -> str:
    return (
        f"# Postfix reads {path} itself, so the grants in it outlive a poplock that is\n"
        "# killed, until the map's lease ends: let `poplock maps sweep` run each minute\n"
        "# (poplock-sweep.timer).\n"
    )


def _service(listen: str) -> tuple[str, str]:
    socket = Listen.read(listen).path
    if socket is None:
        return listen, ""
    if socket.startswith(_CHROOT):
        return f"unix:{socket.removeprefix(_CHROOT)}", ""
    return f"unix:{socket}", (
        f"# Debian runs smtpd in a chroot, where {socket} is out of reach. Let poplock listen on\n"
        f'# "unix:{_CHROOT}poplock/policy.sock" or on "inet:127.0.0.1:10031" instead, or take the\n'
        '# chroot away (the "y" of smtp in master.cf).\n'
    )
