"""`poplock setup NAME`: the exact lines for one server on this host, and where they go.

The lines come from the configuration: the sockets and files that this poplock really uses. Each
server has a file here, with a function `lines(config)`; PoplockError says what the configuration
lacks.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

import click

from ...config import Config
from ..common import config_option, load

NAMES = {
    "postfix": "postfix:lines",
    "exim": "exim:lines",
    "sendmail": "sendmail:lines",
    "dovecot": "dovecot:lines",
    "dovecot-auth-policy": "dovecot_http:policy_lines",
    "dovecot-events": "dovecot_http:event_lines",
    "dovecot-post-login": "dovecot_post_login:lines",
    "courier": "courier:lines",
    "courier-chain": "courier_chain:lines",
    "cyrus": "pop3:cyrus",
    "popa3d": "pop3:popa3d",
    "solid-pop3d": "pop3:solid_pop3d",
    "mailutils": "pop3:mailutils",
    "perdition": "pop3:perdition",
    "imapproxy": "pop3:imapproxy",
    "qmail": "qmail:lines",
    "netqmail": "qmail:lines",
    "notqmail": "qmail:lines",
    "s-qmail": "qmail:s_qmail",
    "opensmtpd": "opensmtpd:lines",
    "courier-mta": "courier_mta:lines",
    "haraka": "haraka:lines",
    "stalwart": "stalwart:lines",
    "kumomta": "kumomta:lines",
    "maddy": "maddy:lines",
    "rsyslog": "rsyslog:lines",
    "journald": "journald:lines",
    "zimbra": "zimbra:lines",
    "hmailserver": "windows:hmailserver",
    "mdaemon": "windows:mdaemon",
    "exchange": "windows:exchange",
    "uw-imap": "uw_imap:lines",
    "qpopper": "qpopper:lines",
    "tpop3d": "tpop3d:lines",
    "teapop": "classic:teapop",
    "gnu-pop3d": "classic:gnu_pop3d",
    "vm-pop3d": "classic:vm_pop3d",
    "whoson": "network:whoson",
    "drac": "network:drac",
    "radius": "network:radius",
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
    click.echo(lines(name, load(config_path)), nl=False)


def lines(name: str, config: Config) -> str:
    """What is printed for one server; PoplockError says what the configuration lacks."""
    module, _, function = NAMES[name].partition(":")
    made = cast(Callable[[Config], str], getattr(import_module(f".{module}", __name__), function))
    return made(config)
