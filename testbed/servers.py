"""Dovecot, Courier, Postfix and rsyslog in a running root, with users and without surprises.

Users are alice, bob and carol@example.org; each password is `secret-` and the name before the @.
"""

from __future__ import annotations

from collections.abc import Mapping

from .host import Host
from .roots import CERTIFICATE, KEY

DOVECOT_POSTFIX = ("dovecot-pop3d", "dovecot-imapd", "postfix", "ucspi-tcp", "rsyslog", "openssl")
COURIER = ("courier-pop", "courier-imap", "rsyslog", "openssl")
PREPARE_POSTFIX = (
    "echo postfix postfix/main_mailer_type select No configuration | debconf-set-selections"
)
USERS = ("alice", "bob", "carol@example.org")


def password(user: str) -> str:
    return "secret-" + user.partition("@")[0]


def start_rsyslog(host: Host) -> None:
    """All of syslog's mail facility into two files: traditional and RFC 3339 stamps."""
    (host.shared / "log").mkdir(exist_ok=True)
    host.write(
        "/etc/rsyslog.conf",
        'module(load="imuxsock" SysSock.RateLimit.Interval="0")\n'
        'mail.* action(type="omfile" file="/shared/log/mail.log"'
        ' template="RSYSLOG_TraditionalFileFormat")\n'
        'mail.* action(type="omfile" file="/shared/log/mail-rfc3339.log"'
        ' template="RSYSLOG_FileFormat")\n',
    )
    host.run(["rsyslogd", "-i", "/run/rsyslogd.pid"])


def start_dovecot(host: Host, *, own_log: bool = False) -> None:
    """POP3 and IMAP with TLS; plain passwords allowed. Logs to syslog, or to a file of its own."""
    users = "".join(f"{u}:{{PLAIN}}{password(u)}:8:8::/var/mail/home::\n" for u in USERS)
    host.write("/etc/dovecot/testbed-users", users)
    log = "/shared/log/dovecot.log" if own_log else "syslog"
    common = f"""\
protocols = imap pop3
log_path = {log}
first_valid_uid = 8
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
    host.run(["dovecot"])
    for port in (110, 143, 993, 995):
        host.wait_for_port(port)


def start_courier(host: Host) -> None:
    """POP3 and IMAP, plain and TLS, for alice and bob of the system's users."""
    commands = ["cat /etc/ssl/testbed/key.pem /etc/ssl/testbed/cert.pem > /etc/courier/both.pem"]
    for name in ("alice", "bob"):
        commands += [
            f"useradd -m {name}",
            f"echo {name}:{password(name)} | chpasswd",
            f"su {name} -c 'maildirmake ~/Maildir || maildirmake.courier ~/Maildir'",
        ]
    for file in ("imapd", "pop3d", "imapd-ssl", "pop3d-ssl"):
        commands.append(
            "sed -i -e 's/^MAXPERIP=.*/MAXPERIP=400/' -e 's/^MAXDAEMONS=.*/MAXDAEMONS=400/'"
            " -e 's,^TLS_CERTFILE=.*,TLS_CERTFILE=/etc/courier/both.pem,'"
            f" /etc/courier/{file}"
        )
    for service in ("authdaemon", "pop", "imap", "pop-ssl", "imap-ssl"):
        script = f"/etc/init.d/courier-{service}"
        commands.append(f"test ! -e {script} || {script} start")
    host.run(["sh", "-c", "set -e\n" + "\n".join(commands)])
    for port in (110, 143, 993, 995):
        host.wait_for_port(port)


def start_postfix(host: Host, settings: Mapping[str, str]) -> None:
    """An MTA that delivers nothing anywhere; `settings` go into main.cf."""
    main = {
        "compatibility_level": "3.6",
        "myhostname": "mx.example.org",
        "mydestination": "example.org",
        "mynetworks": "192.0.2.254/32",
        "inet_interfaces": "all",
        "inet_protocols": "all",
        "local_recipient_maps": "",
        "default_transport": "discard:",
        "local_transport": "discard:",
        "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
        "smtpd_peername_lookup": "no",
        **settings,
    }
    host.write("/etc/postfix/main.cf", "".join(f"{k} = {v}\n" for k, v in main.items()))
    host.run(
        [
            "sh",
            "-c",
            "test -e /etc/postfix/master.cf || cp /usr/share/postfix/master.cf.dist"
            " /etc/postfix/master.cf; mkdir -p /var/spool/postfix/etc;"
            " cp /etc/resolv.conf /etc/hosts /etc/services /etc/nsswitch.conf"
            " /var/spool/postfix/etc/; touch /etc/aliases; newaliases; postfix start",
        ]
    )
    host.wait_for_port(25)


def reload_postfix(host: Host, settings: Mapping[str, str]) -> None:
    """Change main.cf and have every process read it."""
    for key, value in settings.items():
        host.run(["postconf", "-e", f"{key}={value}"])
    host.run(["postfix", "reload"])
