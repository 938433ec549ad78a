"""rsyslog: everything into one file for each way to begin a line.

All facilities, for popa3d and solid-pop3d log as daemons, and strangers get their words into the
lines of authentication, too.
"""

from __future__ import annotations

from ..host import Host

FILES = {
    "mail.log": "RSYSLOG_TraditionalFileFormat",
    "mail-rfc3339.log": "RSYSLOG_FileFormat",
    "mail-rfc5424.log": "RSYSLOG_SyslogProtocol23Format",
}
"""File below /shared/log -> rsyslog's template: RFC 3164, RFC 3339 stamps, RFC 5424."""


def start_rsyslog(host: Host, more: str = "") -> None:
    """Start it, with the files of `FILES`; `more` goes into the configuration, too."""
    (host.shared / "log").mkdir(exist_ok=True)
    actions = "".join(
        f'*.* action(type="omfile" file="/shared/log/{file}" template="{template}")\n'
        for file, template in FILES.items()
    )
    host.write(
        "/etc/rsyslog.conf",
        # Without it, RFC 5424 has "cyrus" and "postfix" for cyrus/imap and postfix/smtpd.
        'global(parser.permitSlashInProgramName="on")\n'
        'module(load="imuxsock" SysSock.RateLimit.Interval="0")\n' + actions + more,
    )
    host.run(["rsyslogd", "-i", "/run/rsyslogd.pid"])
