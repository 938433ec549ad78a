"""Sendmail with Debian's features, beside the POP and IMAP servers."""

from __future__ import annotations

from ..host import Host

SENDMAIL = ("sendmail-bin", "sendmail-cf", "m4", "make")
_MC = r"""
define(`_USE_ETC_MAIL_')dnl
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`debian')dnl
DOMAIN(`debian-mta')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`use_cw_file')dnl
FEATURE(`access_db', , `skip')dnl
FEATURE(`delay_checks', `friend', `n')dnl
FEATURE(`always_add_domain')dnl
dnl There is no DNS here to wait for.
HACK(`nodns')dnl
FEATURE(`accept_unresolvable_domains')dnl
define(`confTO_IDENT', `0')dnl
DAEMON_OPTIONS(`Family=inet, Name=MTA-v4, Port=smtp, Addr=0.0.0.0')dnl
DAEMON_OPTIONS(`Family=inet6, Name=MTA-v6, Port=smtp, Addr=2001:db8:1::1')dnl
DAEMON_OPTIONS(`Family=inet6, Name=MTA-both, Port=2525, Addr=::')dnl
MAILER_DEFINITIONS
MAILER(`local')dnl
MAILER(`smtp')dnl
"""


def start_sendmail(host: Host, more: str) -> None:
    """An MTA for example.org with the mailbox of `user`; `more` stands at the end of its m4 file.

    On port 2525 it listens on an IPv6 socket for both families.
    """
    host.write("/etc/mail/local-host-names", "example.org\nmx.example.org\n")
    host.write("/etc/mail/sendmail.mc", _MC + more)
    host.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\nservices: files\n")
    host.run(["sh", "-c", "id -u user || useradd --create-home user; mkdir -p /run/sendmail/mta"])
    host.run(["make", "-C", "/etc/mail"])
    host.run(["newaliases"])
    host.run(["sendmail", "-bd"])
    host.wait_for_port(25)
