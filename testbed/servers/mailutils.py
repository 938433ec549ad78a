"""GNU Mailutils' pop3d and imap4d under xinetd, which logs the addresses."""

from __future__ import annotations

from ..host import Host
from ..roots import CERTIFICATE, KEY
from .accounts import add_accounts

_SERVICE = """\
service {name}
{{
    type = UNLISTED
    port = {port}
    socket_type = stream
    protocol = tcp
    wait = no
    user = root
    flags = IPv6
    server = /usr/sbin/{program}
    server_args = --inetd {more}
    log_type = SYSLOG daemon info
    log_on_success = PID HOST EXIT
    instances = UNLIMITED
    per_source = UNLIMITED
    cps = 10000 1
}}
"""
_TLS = f"""
tls-mode {{mode}};
tls {{{{
    ssl-certificate-file {CERTIFICATE};
    ssl-key-file {KEY};
}}}}
"""


def start_mailutils(host: Host) -> None:
    """POP3 and IMAP, plain and TLS on ports of their own; where TLS works, STARTTLS as well."""
    add_accounts(host)
    host.run(["sh", "-c", f"chmod 600 {KEY}; rm -f /etc/xinetd.d/*"])
    for mode in ("connection", "ondemand"):
        host.write(f"/etc/mailutils-{mode}.conf", _TLS.format(mode=mode))
    for program, names in (
        ("pop3d", {"pop3": 110, "pop3s": 995}),
        ("imap4d", {"imap": 143, "imaps": 993}),
    ):
        for name, port in names.items():
            mode = "connection" if name.endswith("s") else "ondemand"
            more = f"--config-file=/etc/mailutils-{mode}.conf"
            if mode == "ondemand" and host.release == "trixie":  # 3.19 aborts in inetd mode
                more = ""
            text = _SERVICE.format(name=name, port=port, program=program, more=more)
            host.write(f"/etc/xinetd.d/{name}", text)
    host.run(["xinetd"])
    for port in (110, 143, 993, 995):  # xinetd listens on all of them
        host.wait_for_port(port)
