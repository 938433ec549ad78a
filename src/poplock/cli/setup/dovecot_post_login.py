"""Dovecot's post-login script: poplock-allow as what runs between the login and the mailbox."""

from ...config import Config
from .drop_box import drop_box, poplock_allow


def lines(config: Config) -> str:
    """The same lines for 2.3 and 2.4."""
    spool, allow = drop_box(config), poplock_allow()
    services = "\n".join(_service(name, allow, spool) for name in ("imap", "pop3"))
    return f"""\
# /etc/dovecot/conf.d/99-poplock.conf (Dovecot 2.3 and 2.4)
# The login waits for poplock-allow, a shell script of a millisecond; never for poplock.
{services}
# Then: doveconf -n >/dev/null && doveadm reload
# It works when, after a login from another host, 'poplock list' shows that host.
"""


def _service(name: str, allow: str, spool: str) -> str:
    environment = "" if spool == "/var/spool/poplock" else f"/usr/bin/env POPLOCK_SPOOL={spool} "
    return f"""\
service {name} {{
  executable = {name} {name}-poplock
}}
service {name}-poplock {{
  executable = script-login {environment}{allow} --service={name}
  user = poplock
  unix_listener {name}-poplock {{
  }}
}}"""
