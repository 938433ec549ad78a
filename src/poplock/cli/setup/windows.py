"""Servers on Windows: their logs come over a share, and must be told to say enough."""

from ...config import Config
from .logs import logs

_SHARE = "/mnt/logs/current.log"


def hmailserver(config: Config) -> str:
    """What hMailServer must log."""
    return _lines(
        config,
        "hmailserver",
        """\
# In hMailServer Administrator, Settings, Logging: POP3 and IMAP on, debugging off. Its local time
# must be that of this host. The lines must arrive with their CR LF, so share the file itself.
""",
    )


def mdaemon(config: Config) -> str:
    """What MDaemon must log."""
    return _lines(
        config,
        "mdaemon",
        """\
# In MDaemon, Setup, Server Settings, Logging: POP3 and IMAP activity, "Log ID string in mail
# session logs" and "Log sessions in real time" on. Its local time must be that of this host.
""",
    )


def exchange(config: Config) -> str:
    """What Exchange must log."""
    return _lines(
        config,
        "exchange",
        """\
# In the Exchange Management Shell; then restart the POP3 and IMAP4 services of the front end:
#   Set-PopSettings -ProtocolLogEnabled $true
#   Set-ImapSettings -ProtocolLogEnabled $true
# Share the front end's log folders, not those of the back end.
""",
    )


def _lines(config: Config, dialect: str, needed: str) -> str:
    paths = logs(config, dialect, _SHARE)
    return f"""\
{needed}# Mount the share on this host, read-only:
#   mount -t cifs -o ro,cache=none //SERVER/logs /mnt/logs
# poplock reads {" and ".join(paths)}: a name that stays, though each day begins a file.
# See what poplock reads:      poplock parse --dialect {dialect} {paths[0]}
"""
