"""The user who earned the grant, in a header of a delivered message; a forged one is taken out."""

import smtplib
import socket
from functools import partial
from pathlib import Path

from testbed import clients, servers
from testbed.host import Host
from tests.daemon import Poplock

ADDRESS, NEIGHBOUR = "203.0.113.5", "203.0.113.6"
SECRET = "X-Poplock-8f3a61c0d2"
CONFIG = f"""
[[answer]]
type = "postfix_policy"
listen = "inet:127.0.0.1:10036"
patience = "0s"
prepend = "{SECRET}"
"""
FORGED = "X-Poplock-User: root\r\nSubject: %s\r\n\r\nHello\r\n"


def send(host: Host, source: str, subject: str) -> None:
    class Client(smtplib.SMTP):
        def _get_socket(self, name: str, port: int, timeout: float) -> socket.socket:
            return host.connect(source, 25)

    with Client("mx", 25, local_hostname="client.test") as client:
        client.sendmail("ann@example.org", [clients.LOCAL], FORGED % subject)


def test_the_header_names_who_earned_the_grant_and_a_forged_one_is_taken_out(
    release: str, tmp_path: Path
) -> None:
    with Host(release, servers.DOVECOT_POSTFIX, servers.PREPARE_POSTFIX) as host:
        servers.start_rsyslog(host)
        host.run(["useradd", "-m", "user"])
        host.write(
            "/etc/postfix/poplock_headers",
            f"/^X-Poplock-User:/  IGNORE\n/^{SECRET}: (.*)/  REPLACE X-Poplock-User: $1\n",
        )
        servers.start_postfix(
            host,
            {
                "smtpd_data_restrictions": "check_policy_service { inet:127.0.0.1:10036,"
                " policy_context=prepend, default_action=DUNNO }",
                "header_checks": "regexp:/etc/postfix/poplock_headers",
                "local_transport": "local:",
            },
        )
        popen = partial(host.popen, inside=False)
        with Poplock(tmp_path, CONFIG, popen) as poplock:
            poplock.run("grant", ADDRESS, "--user", "alice")
            for source in (ADDRESS, NEIGHBOUR):
                send(host, source, f"from {source}")
            poplock.end(9)
            send(host, ADDRESS, "while poplock is down")
            poplock.start()
            mailbox = host.files / "var/mail/user"
            poplock.until(
                lambda: mailbox.exists() and mailbox.read_text().count("\nSubject:") == 3,
                "three messages",
            )
        found = {}
        for message in mailbox.read_text().split("\nFrom "):
            lines = message.splitlines()
            (subject,) = [x.partition(" ")[2] for x in lines if x.startswith("Subject:")]
            found[subject] = [x for x in lines if x.startswith("X-Poplock")]
        assert found == {
            f"from {ADDRESS}": ["X-Poplock-User: alice"],
            f"from {NEIGHBOUR}": [],
            "while poplock is down": [],
        }
