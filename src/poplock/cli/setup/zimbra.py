"""Zimbra's logins are read from its audit log."""

from ...config import Config
from .logs import logs


def lines(config: Config) -> str:
    """Where Zimbra's logins are read, and what must be so."""
    paths = logs(config, "zimbra", "/opt/zimbra/log/audit.log")
    return f"""\
# Zimbra needs no change: mailboxd writes each login into its audit log, and poplock reads
# {" and ".join(paths)}.
# poplock's user must be able to read it; the log is made anew each day:
setfacl -m u:poplock:r /opt/zimbra/log/audit.log
setfacl -d -m u:poplock:r /opt/zimbra/log
# See what poplock reads:      poplock parse --dialect zimbra {paths[0]}
#
# Keep clients away from mailboxd's own ports (7110, 7143, 7993, 7995): whoever reaches them can
# say that he comes from elsewhere. Never name mailbox.log: strangers can write whole lines there.
"""
