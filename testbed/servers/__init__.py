"""The servers that run in a root: how each is configured and started. One server a file.

Users are alice, bob and carol@example.org; each password is `secret-` and the name before the @.
"""

from .courier import start_courier
from .courier_mta import start_courier_mta
from .cyrus import start_cyrus
from .dovecot import start_dovecot
from .exim import EXIM, exim_on_both_families, start_exim
from .haraka import PREPARE_HARAKA, start_haraka
from .imapproxy import IMAPPROXY_PORTS, start_imapproxy
from .journal import Journal, journald
from .mailutils import start_mailutils
from .model import USUAL, Server
from .nginx import start_nginx
from .opensmtpd import OPENSMTPD, install_table_poplock, start_opensmtpd
from .perdition import PORTS, start_perdition
from .popa3d import start_popa3d
from .postfix import PREPARE_POSTFIX, reload_postfix, start_postfix
from .sendmail import SENDMAIL, start_sendmail
from .solid_pop3d import start_solid_pop3d
from .syslog import start_rsyslog
from .users import USERS, password

DOVECOT_POSTFIX = ("dovecot-pop3d", "dovecot-imapd", "postfix", "ucspi-tcp", "rsyslog", "openssl")
DOVECOT_SYSLOG = (
    *("dovecot-pop3d", "dovecot-imapd", "openssl"),
    *("rsyslog", "rsyslog-openssl", "systemd", "logrotate"),
)
NGINX = (
    *("nginx", "libnginx-mod-mail"),
    *("dovecot-pop3d", "dovecot-imapd", "rsyslog", "openssl"),
)
COURIER = ("courier-pop", "courier-imap", "rsyslog", "openssl")

_BESIDE = ("postfix", "rsyslog", "openssl")
_POP3 = {("pop3", False): 110}
_BOTH = ("pop3", "imap")

POP_SERVERS = {
    "dovecot": Server(DOVECOT_POSTFIX, start_dovecot, USERS, USUAL, starttls=_BOTH),
    "courier": Server(
        ("courier-pop", "courier-imap", *_BESIDE),
        start_courier,
        USERS[:2],
        USUAL,
        starttls=_BOTH,
        starttls_untold=("bookworm",),
    ),
    "cyrus": Server(
        ("cyrus-imapd", "cyrus-pop3d", "sasl2-bin", *_BESIDE),
        start_cyrus,
        USERS,
        USUAL,
        starttls=_BOTH,
    ),
    "popa3d": Server(("popa3d", *_BESIDE), start_popa3d, USERS, _POP3, ipv6=False),
    "solid_pop3d": Server(("solid-pop3d", *_BESIDE), start_solid_pop3d, USERS[:2], _POP3),
    "mailutils": Server(
        ("mailutils-pop3d", "mailutils-imap4d", "xinetd", *_BESIDE),
        start_mailutils,
        USERS,
        USUAL,
        tls_broken=("trixie",),  # 3.19 aborts where it starts with TLS in inetd mode
        starttls=_BOTH,
    ),
    "perdition": Server(
        ("perdition", *DOVECOT_POSTFIX),
        start_perdition,
        USERS,
        PORTS,
        ipv6=False,
        starttls=_BOTH,
    ),
    "imapproxy": Server(
        ("imapproxy", *DOVECOT_POSTFIX), start_imapproxy, USERS, IMAPPROXY_PORTS, ipv6=False
    ),
}
"""Every POP/IMAP server of both Debian releases that has a dialect, by that dialect's name; each in
a root with Postfix. solid-pop3d takes what follows an @ from a name, so carol isn't there."""

__all__ = [
    "COURIER",
    "DOVECOT_POSTFIX",
    "DOVECOT_SYSLOG",
    "EXIM",
    "NGINX",
    "OPENSMTPD",
    "POP_SERVERS",
    "PREPARE_HARAKA",
    "PREPARE_POSTFIX",
    "SENDMAIL",
    "USERS",
    "Journal",
    "Server",
    "exim_on_both_families",
    "install_table_poplock",
    "journald",
    "password",
    "reload_postfix",
    "start_courier",
    "start_courier_mta",
    "start_cyrus",
    "start_dovecot",
    "start_exim",
    "start_haraka",
    "start_nginx",
    "start_opensmtpd",
    "start_postfix",
    "start_rsyslog",
    "start_sendmail",
]
