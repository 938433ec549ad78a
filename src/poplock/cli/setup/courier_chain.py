"""Courier with poplock-allow between the login and the mailbox server: no log is read.

courierpop3login demands exactly two arguments, the server and the maildir, so there is no place on
its command line for a program in between. A wrapper takes the server's place instead. It reads
poplock-allow into its own shell: one shell to start, and if poplock-allow is ever missing, the
login still works.
"""

from shlex import quote

from ...config import Config
from .drop_box import drop_box, poplock_allow

SERVERS = ("/usr/lib/courier/courier/courierpop3d", "/usr/bin/imapd")


def lines(config: Config) -> str:
    """A shell script: the wrappers, by dpkg-divert."""
    spool, allow = drop_box(config), poplock_allow()
    wrappers = "\n".join(_wrapper(server, allow, spool) for server in SERVERS)
    return f"""\
# As root, on Debian; `poplock setup courier-chain | sh` does it. Courier runs the wrapper once a
# login succeeded and before the client is told so: its grant is on its way by then.
{wrappers}
# Courier needs no restart. Upgrades of its packages leave the wrappers alone.
# Where one account owns all mailboxes, name it in poplock.toml: speak_for_others = ["vmail"].
# It works when, after a login from another host, `poplock list` shows that host.
# To undo it, for each of the two: rm SERVER; dpkg-divert --local --rename --remove SERVER
"""


def _wrapper(server: str, allow: str, spool: str) -> str:
    return f"""\
cat >{server}.poplock <<'END'
#!/bin/sh
set -- {server}.distrib "$@"
export POPLOCK_SPOOL={quote(spool)}
command . {quote(allow)}
exec "$@"
END
chmod 755 {server}.poplock
dpkg-divert --local --rename --add {server} && mv {server}.poplock {server}
"""
