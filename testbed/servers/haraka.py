"""Haraka, of npm, for example.org, where `user` lives."""

from __future__ import annotations

from ..host import Host

# Its optional plugins are left out: some would be compiled.
PREPARE_HARAKA = """set -e
apt-get -qy --no-install-recommends install nodejs npm
export NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
npm install -g --omit=optional --no-audit --no-fund Haraka@3.3.4
"""
_LOCAL = """\
exports.hook_rcpt = (next, connection, [address]) =>
    address.address.toLowerCase() === 'user@example.org' ? next(OK) : next()
"""


def start_haraka(host: Host, plugin: str, settings: str) -> None:
    """`plugin` is ours, and `settings` its config/poplock.ini; nothing is ever queued."""
    host.run(["sh", "-c", "/usr/local/bin/haraka -i /srv/haraka >/dev/null"])
    files = {
        "config/smtp.ini": "listen=[::0]:25\nnodes=0\n",
        "config/me": "mx.example.org\n",
        "config/log.ini": "[main]\nlevel=WARN\n",
        "config/plugins": "local\npoplock\n",
        "config/poplock.ini": settings,
        "plugins/local.js": _LOCAL,
        "plugins/poplock.js": plugin,
    }
    for name, text in files.items():
        host.write(f"/srv/haraka/{name}", text)
    host.popen(["sh", "-c", "exec /usr/local/bin/haraka -c /srv/haraka >/shared/haraka.log 2>&1"])
    host.wait_for_port(25)
