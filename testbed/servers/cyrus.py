"""Cyrus IMAP's imapd and pop3d, plain and TLS."""

from __future__ import annotations

from ..host import Host
from ..roots import CERTIFICATE, KEY
from .users import USERS, password

_IMAPD = f"""
virtdomains: userid
defaultdomain: mx.example.org
servername: mx.example.org
popminpoll: 0
unixhierarchysep: yes
autocreate_quota: -1
autocreate_post: yes
admins: cyrus
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: /etc/sasldb2
sasl_mech_list: PLAIN LOGIN CRAM-MD5
tls_server_cert: {CERTIFICATE}
tls_server_key: {KEY}
allowstarttls: yes
timeout: 30
poptimeout: 10
failedloginpause: 0
"""
_SERVICES = """
START {
  recover cmd="/usr/sbin/cyrus ctl_cyrusdb -r"
}
SERVICES {
  imap  cmd="imapd -U 30" listen="imap"
  imaps cmd="imapd -s -U 30" listen="imaps"
  pop3  cmd="pop3d -U 30" listen="pop3"
  pop3s cmd="pop3d -s -U 30" listen="pop3s"
}
EVENTS {
}
"""


def start_cyrus(host: Host) -> None:
    """POP3 and IMAP with TLS, users in sasldb2."""
    commands = [
        "sed -i 's/^hosts:.*/hosts: files/' /etc/nsswitch.conf",
        "chown cyrus /etc/ssl/testbed/key.pem",
        "install -d -o cyrus -g mail /run/cyrus /run/cyrus/proc /run/cyrus/lock /run/cyrus/socket",
        r"sed -i '/^\(allowplaintext\|sasl_\|autocreate\|unixhier\|popminpoll\)/d' /etc/imapd.conf",
        "cat /etc/imapd.testbed >> /etc/imapd.conf",
    ]
    for user in USERS:
        name, _, domain = user.partition("@")
        commands.append(
            f"echo {password(user)} | saslpasswd2 -p -c -u {domain or 'mx.example.org'} {name}"
        )
    commands += ["chown cyrus /etc/sasldb2", "/etc/init.d/cyrus-imapd start"]
    host.write("/etc/imapd.testbed", _IMAPD)
    host.write("/etc/cyrus.conf", _SERVICES)
    host.run(["sh", "-c", "set -e\n" + "\n".join(commands)])
    for port in (110, 143, 993, 995):
        host.wait_for_port(port)
