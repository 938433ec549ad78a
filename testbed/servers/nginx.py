"""nginx as a mail proxy before Dovecot, which listens on ports of its own."""

from __future__ import annotations

import sys

from ..host import Host
from ..roots import CERTIFICATE, KEY
from .dovecot import start_dovecot

# What nginx asks before it connects to the server behind: whether the password is right.
_AUTH_HTTP = """\
from http.server import BaseHTTPRequestHandler, HTTPServer
class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        right = "secret-" + self.headers["Auth-User"].partition("@")[0]
        ok = self.headers["Auth-Pass"] == right
        self.send_response(200)
        self.send_header("Auth-Status", "OK" if ok else "Invalid login or password")
        if ok:
            self.send_header("Auth-Server", "127.0.0.1")
            pop3 = self.headers["Auth-Protocol"] == "pop3"
            self.send_header("Auth-Port", "1110" if pop3 else "1143")
        self.end_headers()
    def log_message(self, *ignored):
        pass
HTTPServer(("127.0.0.1", 4088), Answer).serve_forever()
"""
_BEHIND = """
service imap-login {
  inet_listener imap {
    port = 1143
  }
  inet_listener imaps {
    port = 0
  }
}
service pop3-login {
  inet_listener pop3 {
    port = 1110
  }
  inet_listener pop3s {
    port = 0
  }
}
"""


def start_nginx(host: Host) -> None:
    """POP3 and IMAP on all four ports, STARTTLS; it logs to syslog and to a file of its own."""
    servers = "".join(
        f"  server {{ listen {where}:{port}{tls}; protocol {protocol}; }}\n"
        for where in ("*", "[::]")
        for port, tls, protocol in (
            (110, "", "pop3"),
            (143, "", "imap"),
            (993, " ssl", "imap"),
            (995, " ssl", "pop3"),
        )
    )
    host.write("/etc/nginx/behind", _BEHIND)
    host.write(
        "/etc/nginx/testbed.conf",
        f"""\
load_module /usr/lib/nginx/modules/ngx_mail_module.so;
error_log syslog:server=unix:/dev/log,facility=mail,tag=nginx,nohostname info;
error_log /shared/log/nginx.log info;
pid /run/nginx-testbed.pid;
events {{ }}
mail {{
  auth_http 127.0.0.1:4088/;
  imap_auth login plain;
  pop3_auth plain;
  starttls on;
  ssl_certificate {CERTIFICATE};
  ssl_certificate_key {KEY};
{servers}}}
""",
    )
    auth = host.popen([sys.executable, "-c", _AUTH_HTTP], inside=False)
    host._processes.append(auth)
    host.wait_for_port(4088)
    start = "cat /etc/nginx/behind >>/etc/dovecot/dovecot.conf && dovecot"
    start_dovecot(host, command=("sh", "-c", f"{start} && nginx -c /etc/nginx/testbed.conf"))
    host.wait_for_port(1143)
    host.wait_for_port(1110)
