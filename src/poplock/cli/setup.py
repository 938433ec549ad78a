"""`poplock setup NAME`: the exact lines for one server on this host, and where they go.

The lines come from the configuration: the sockets and files that this poplock really uses.
"""

from collections.abc import Callable
from pathlib import Path

import click

from ..config import Config
from ..config.model import FileSource, Listen, PostfixPolicy, SpoolSource
from ..core.errors import PoplockError
from ..maps.cdb import CdbSettings
from ..maps.directory import DirectorySettings
from .common import config_option, load

_CHROOT = "/var/spool/postfix/"


def postfix(config: Config) -> str:
    """Lines for main.cf."""
    answer = next((a for a in config.answer if isinstance(a, PostfixPolicy)), None)
    if answer is None:
        raise PoplockError(
            "the configuration has no answer for Postfix; add to it:\n\n"
            '[[answer]]\ntype = "postfix_policy"\nlisten = "inet:127.0.0.1:10031"'
        )
    service, note = _postfix_service(answer.listen)
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
{note}
# Then: postfix check && postfix reload
# It works when, after a POP or IMAP login from another host, the log says
#   poplock: permit ADDRESS: login of USER ...
# and that host's mail to a foreign domain is accepted.
"""


def _postfix_service(listen: str) -> tuple[str, str]:
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


def _logs(config: Config, dialect: str) -> list[str]:
    """The log files that are read with this dialect; PoplockError where there is none."""
    logs = [s.path for s in config.source if isinstance(s, FileSource) and dialect in s.dialects]
    if not logs:
        raise PoplockError(
            f"the configuration has no source for {dialect.capitalize()}; add to it:\n\n"
            f'[[source]]\ntype = "file"\npath = "/var/log/mail.log"\ndialects = ["{dialect}"]'
        )
    return logs


def dovecot(config: Config) -> str:
    """Where Dovecot's logins are read."""
    logs = _logs(config, "dovecot")
    return f"""\
# Dovecot needs no change: it logs every login, and poplock reads {" and ".join(logs)}.
# See where it logs:           doveadm log find
# See what poplock reads:      poplock parse --dialect dovecot {logs[0]}
#
# These are Dovecot's defaults; poplock relies on them (/etc/dovecot/conf.d/10-logging.conf):
#   the elements user=<...>, rip=... and session=<...> in login_log_format_elements
#   auth_verbose, mail_debug and the like may be as you want them
# Keep auth_username_chars as it is: with it emptied, strangers write what they like in the log.
# A proxy or webmail in front must hand the client's address on (login_trusted_networks), or all
# logins come from one address; poplock never grants that of this host.
"""


def courier(config: Config) -> str:
    """Where Courier's logins are read."""
    logs = _logs(config, "courier")
    return f"""\
# Courier needs no change: its pop3d and imapd log every login and logout, and poplock reads
# {" and ".join(logs)}.
# See what poplock reads:      poplock parse --dialect courier {logs[0]}
"""


def qmail(config: Config) -> str:
    """The run scripts of qmail-pop3d and qmail-smtpd."""
    cdb = next((m for m in config.map if isinstance(m, CdbSettings)), None)
    directory = next((m for m in config.map if isinstance(m, DirectorySettings)), None)
    spool = next((s for s in config.source if isinstance(s, SpoolSource)), None)
    if cdb is None and directory is None:
        raise PoplockError(
            "the configuration has no map for qmail; add to it one of:\n\n"
            '[[map]]\ntype = "cdb"\npath = "/etc/tcprules/smtp.cdb"\n'
            'static = "/etc/tcprules/smtp"\n\n'
            '[[map]]\ntype = "directory"\npath = "/run/poplock/grants"'
        )
    lines = [
        "# qmail relays for everybody if control/rcpthosts is missing: make sure it is there.",
        "#   ls -l /var/qmail/control/rcpthosts",
        "",
    ]
    if cdb is not None:
        lines += [
            "# qmail-smtpd, with the cdb that poplock writes (no program more for a connection):",
            f"exec tcpserver -v -R -l 0 -x {cdb.path} 0 smtp /var/qmail/bin/qmail-smtpd",
            f"# Your own rules stay in {cdb.static}; poplock puts them into the cdb first."
            if cdb.static
            else "# To have rules of your own in it as well, name their file as `static`.",
            "",
        ]
    if directory is not None:
        lines += [
            "# qmail-smtpd, with poplock-check before it (the end of a grant is tested at use):",
            f"exec env POPLOCK_MAP={directory.path} tcpserver -v -R -l 0 0 smtp \\",
            "    poplock-check /var/qmail/bin/qmail-smtpd",
            "",
        ]
    if spool is not None:
        lines += [
            "# qmail-pop3d, with poplock-allow after checkpassword:",
            f"exec env POPLOCK_SPOOL={spool.path} tcpserver -v -R -l 0 0 pop3 \\",
            "    qmail-popup HOST checkpassword poplock-allow qmail-pop3d Maildir",
            "",
        ]
    else:
        lines += [
            "# For logins at qmail-pop3d, which logs nothing, add to the configuration:",
            "#   [[source]]",
            '#   type = "spool"',
            '#   path = "/var/spool/poplock"',
            "",
        ]
    return "\n".join(lines)


NAMES: dict[str, Callable[[Config], str]] = {
    "postfix": postfix,
    "dovecot": dovecot,
    "courier": courier,
    "qmail": qmail,
}


@click.command("setup")
@click.argument("name", type=click.Choice(list(NAMES)))
@config_option
def command(name: str, config_path: Path) -> None:
    """Print the exact lines for one MTA or POP/IMAP server on this host, and where they go.

    \b
    Example:
      poplock setup postfix
    """
    click.echo(NAMES[name](load(config_path)), nl=False)
