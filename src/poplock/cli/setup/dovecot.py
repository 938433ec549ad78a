"""Dovecot's logins are read from its log."""

from ...config import Config
from .logs import logs


def lines(config: Config) -> str:
    """Where Dovecot's logins are read."""
    paths = logs(config, "dovecot")
    return f"""\
# Dovecot needs no change: it logs every login, and poplock reads {" and ".join(paths)}.
# See where it logs:           doveadm log find
# See what poplock reads:      poplock parse --dialect dovecot {paths[0]}
#
# These are Dovecot's defaults; poplock relies on them (/etc/dovecot/conf.d/10-logging.conf):
#   the elements user=<...>, rip=... and session=<...> in login_log_format_elements
#   auth_verbose, mail_debug and the like may be as you want them
# Keep auth_username_chars as it is: with it emptied, strangers write what they like in the log.
# A proxy or webmail in front must hand the client's address on (login_trusted_networks), or all
# logins come from one address; poplock never grants that of this host.
"""
