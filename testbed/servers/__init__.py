"""The servers that run in a root: how each is configured and started. One server a file.

Users are alice, bob and carol@example.org; each password is `secret-` and the name before the @.
"""

from .courier import start_courier
from .dovecot import start_dovecot
from .journal import Journal, journald
from .nginx import start_nginx
from .opensmtpd import OPENSMTPD, start_opensmtpd
from .postfix import PREPARE_POSTFIX, reload_postfix, start_postfix
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

__all__ = [
    "COURIER",
    "DOVECOT_POSTFIX",
    "DOVECOT_SYSLOG",
    "NGINX",
    "OPENSMTPD",
    "PREPARE_POSTFIX",
    "USERS",
    "Journal",
    "journald",
    "password",
    "reload_postfix",
    "start_courier",
    "start_dovecot",
    "start_nginx",
    "start_opensmtpd",
    "start_postfix",
    "start_rsyslog",
]
