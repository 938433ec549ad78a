"""Dovecot 2.3 and 2.4."""

from __future__ import annotations

from collections.abc import Sequence

from ..host import Host
from ..roots import CERTIFICATE, KEY
from .users import USERS, password


def start_dovecot(
    host: Host, *, own_log: bool = False, command: Sequence[str] = ("dovecot",)
) -> None:
    """POP3 and IMAP with TLS; plain passwords allowed. Logs to syslog, or to a file of its own."""
    users = "".join(f"{u}:{{PLAIN}}{password(u)}:8:8::/var/mail/home::\n" for u in USERS)
    host.write("/etc/dovecot/testbed-users", users)
    log = "/shared/log/dovecot.log" if own_log else "syslog"
    common = f"""\
protocols = imap pop3
log_path = {log}
first_valid_uid = 8
auth_failure_delay = 0
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0  # nor an ever longer pause for an address that was refused
  }}
}}
"""
    if host.release == "bookworm":
        text = f"""{common}
disable_plaintext_auth = no
ssl = yes
ssl_cert = <{CERTIFICATE}
ssl_key = <{KEY}
mail_location = maildir:/var/mail/home/%u
passdb {{
  driver = passwd-file
  args = /etc/dovecot/testbed-users
}}
userdb {{
  driver = passwd-file
  args = /etc/dovecot/testbed-users
}}
"""
    else:
        text = f"""dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
{common}
auth_allow_cleartext = yes
ssl = yes
ssl_server_cert_file = {CERTIFICATE}
ssl_server_key_file = {KEY}
mail_driver = maildir
mail_path = /var/mail/home/%{{user}}
passdb passwd-file {{
  passwd_file_path = /etc/dovecot/testbed-users
}}
userdb passwd-file {{
  passwd_file_path = /etc/dovecot/testbed-users
}}
"""
    host.write("/etc/dovecot/dovecot.conf", text)
    (host.shared / "log").mkdir(exist_ok=True)
    host.run(["sh", "-c", "mkdir -p /var/mail/home && chown -R mail:mail /var/mail/home"])
    host.run(command)
    for port in (110, 143, 993, 995):
        host.wait_for_port(port)
