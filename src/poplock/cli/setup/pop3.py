"""Servers whose logs are read as they are: Cyrus, popa3d, solid-pop3d, Mailutils, two proxies."""

from ...config import Config
from .logs import logs

_SYSLOG = "/var/log/syslog"


def cyrus(config: Config) -> str:
    """Where Cyrus' logins are read."""
    return f"""\
# Cyrus needs no change: imapd and pop3d log every login.
# The services in /etc/cyrus.conf must be called imap, imaps, pop3 or pop3s (or imapd, pop3d).
# 3.6 logs no end of an IMAP connection that breaks off: such a login counts until max_session.
{_parse(config, "cyrus")}"""


def popa3d(config: Config) -> str:
    """How popa3d must run, and where its logins are read."""
    return f"""\
# popa3d must run as a daemon of its own: under inetd it logs no address.
#   popa3d -D                   (on Debian: RUN_STANDALONE=yes in /etc/default/popa3d)
# Its facility is daemon, which Debian's rsyslog writes into {_SYSLOG}.
{_parse(config, "popa3d", _SYSLOG)}"""


def solid_pop3d(config: Config) -> str:
    """Where solid-pop3d's logins are read."""
    return f"""\
# solid-pop3d needs no change. Its facility is daemon: Debian's rsyslog writes that into {_SYSLOG}.
{_parse(config, "solid_pop3d", _SYSLOG)}"""


def mailutils(config: Config) -> str:
    """What xinetd must log for pop3d and imap4d."""
    return f"""\
# /etc/xinetd.d/pop3, and likewise imap with port 143 and /usr/sbin/imap4d:
# as daemons the servers log no address that belongs to a login; xinetd does.
service pop3
{{
    type           = UNLISTED
    port           = 110
    socket_type    = stream
    protocol       = tcp
    wait           = no
    user           = root
    flags          = IPv6
    server         = /usr/sbin/pop3d
    server_args    = --inetd
    log_type       = SYSLOG mail info
    log_on_success = PID HOST EXIT
}}
# Then: systemctl restart xinetd
{_parse(config, "mailutils")}"""


def perdition(config: Config) -> str:
    """Where Perdition's logins are read, and what the real servers' logs mean then."""
    return f"""\
# Perdition needs no change: it logs each login that the real server accepted.
{_behind("Perdition")}{_parse(config, "perdition")}"""


def imapproxy(config: Config) -> str:
    """Where imapproxy's logins are read, and what the IMAP server's log means then."""
    return f"""\
# imapproxy needs no change: it logs each login that the IMAP server accepted, unless
# syslog_prioritymask in /etc/imapproxy.conf keeps LOG_INFO back.
{_behind("imapproxy")}{_parse(config, "imapproxy")}"""


def _behind(proxy: str) -> str:
    return f"""\
# The real servers see {proxy}'s address in place of the client's. Where their logs are read too,
# that address must earn nothing. In poplock.toml:
#   [policy]
#   never = ["ADDRESS-OF-{proxy.upper()}/32"]
"""


def _parse(config: Config, dialect: str, usual: str = "/var/log/mail.log") -> str:
    paths = logs(config, dialect, usual)
    return f"# See what poplock reads:      poplock parse --dialect {dialect} {paths[0]}\n"
