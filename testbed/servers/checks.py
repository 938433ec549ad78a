"""What an MTA asks besides: a DNS blacklist, greylisting, a spam filter."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

from ..host import Host

ZONE = "dnsbl.example.org"
"""A blacklist; the root's resolver is its server, which refuses all other names at once."""


def start_rbldnsd(host: Host, listed: Iterable[str]) -> None:
    """A blacklist, ZONE, that holds these addresses (rbldnsd)."""
    host.write("/shared/listed", ":127.0.0.2:listed\n" + "".join(f"{a}\n" for a in listed))
    _serve(host, "rbldnsd", "-n", "-b", "127.0.0.1/53", f"{ZONE}:ip4set:/shared/listed")


def start_postgrey(host: Host) -> str:
    """Greylisting for Postfix; how it is asked. Nobody is ever back early enough to get through."""
    host.run(["postgrey", "--inet=127.0.0.1:10023", "--delay=3600", "--daemonize"])
    host.wait_for_port(10023)
    return "check_policy_service inet:127.0.0.1:10023"


def start_greylistd(host: Host) -> None:
    """Greylisting for Exim, by Debian's start script; asked at /run/greylistd/socket."""
    host.write("/etc/greylistd/config", "[timeouts]\nretryMin = 3600\n[socket]\nmode = 0666\n")
    host.run(["/etc/init.d/greylistd", "start"])


def start_rspamd(host: Host, multimap: str) -> None:
    """A spam filter with these rules of its module multimap; a milter on port 11332."""
    host.write("/etc/rspamd/local.d/multimap.conf", multimap)
    # Else it compiles patterns for half a minute before it listens.
    host.write("/etc/rspamd/tld", "org\n")
    host.write(
        "/etc/rspamd/local.d/options.inc",
        'disable_hyperscan = true;\nurl_tld = "/etc/rspamd/tld";\n',
    )
    host.run(["mkdir", "-p", "/run/rspamd"])
    host.run(["chown", "_rspamd", "/run/rspamd"])
    host.run(["rspamadm", "configtest"])
    _serve(host, "rspamd", "-f", "-u", "_rspamd", "-g", "_rspamd")
    host.wait_for_port(11332)


def _serve(host: Host, *command: str) -> None:
    host.popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
