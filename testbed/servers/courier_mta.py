"""Courier's MTA, for example.org, where `user` lives."""

from __future__ import annotations

from ..host import Host

_ESMTPD = """
BOFHCHECKDNS=0
BOFHCHECKHELO=0
TARPIT=0
MAXPERC=100
MAXPERIP=100
TCPDOPTS="$TCPDOPTS -nodnslookup"
"""


def start_courier_mta(host: Host, esmtpd: str) -> None:
    """`esmtpd` is what an operator adds to the file of that name."""
    host.run(["useradd", "-m", "user"])
    for name in ("me", "defaultdomain"):
        host.write(f"/etc/courier/{name}", "mx.example.org\n")
    host.write("/etc/courier/locals", "localhost\nexample.org\n")
    host.write("/etc/courier/esmtpacceptmailfor", "example.org\n")
    host.write("/shared/esmtpd", _ESMTPD + esmtpd)
    commands = [
        "cat /shared/esmtpd >>/etc/courier/esmtpd",
        "makesmtpaccess || :",  # ends by telling a couriertcpd that doesn't run yet
        "makealiases",
        *(f"/etc/init.d/{s} start" for s in ("courier-authdaemon", "courier", "courier-mta")),
    ]
    host.run(["sh", "-c", "set -e\n" + "\n".join(commands)])
    host.wait_for_port(25)
