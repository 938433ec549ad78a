"""UW imapd's logins are read from its log, ipop3d's from one that holds priority info only."""

from ...config import Config
from ...config.sources import FileSettings
from .logs import logs


def lines(config: Config) -> str:
    """Where the logins of imapd and ipop3d are read, and how rsyslog parts the latter's log."""
    paths = [
        source.path
        for source in config.source
        if isinstance(source, FileSettings) and "uw_ipop3d" in source.dialects
    ]
    if not paths:
        imapd = " and ".join(logs(config, "uw_imapd"))
        return f"""\
# imapd needs no change: poplock reads {imapd}.
# See what poplock reads:      poplock parse --dialect uw_imapd FILE
#
# ipop3d is not read. If it runs here, it needs a log of its own: strangers can write in others.
#   [[source]]
#   type = "file"
#   path = "/var/log/ipop3d-info.log"
#   dialects = ["uw_ipop3d"]
"""
    return f"""\
# /etc/rsyslog.d/10-poplock.conf
# Logins of ipop3d have priority info (6). At others it logs what an IMAP server says that a client
# may choose, so those must not get into the file that poplock reads.
if $programname == 'ipop3d' and $syslogseverity == 6 then {paths[0]}

# Then: systemctl restart rsyslog
# See what poplock reads:      poplock parse --dialect uw_ipop3d {paths[0]}
"""
