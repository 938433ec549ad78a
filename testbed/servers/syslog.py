"""rsyslog: all of the mail facility into files, one for each way to begin a line."""

from __future__ import annotations

from ..host import Host


def start_rsyslog(host: Host, more: str = "") -> None:
    """All of syslog's mail facility into two files: traditional and RFC 3339 stamps.

    `more` goes into the configuration, too.
    """
    (host.shared / "log").mkdir(exist_ok=True)
    host.write(
        "/etc/rsyslog.conf",
        'module(load="imuxsock" SysSock.RateLimit.Interval="0")\n'
        'mail.* action(type="omfile" file="/shared/log/mail.log"'
        ' template="RSYSLOG_TraditionalFileFormat")\n'
        'mail.* action(type="omfile" file="/shared/log/mail-rfc3339.log"'
        ' template="RSYSLOG_FileFormat")\n' + more,
    )
    host.run(["rsyslogd", "-i", "/run/rsyslogd.pid"])
