"""What Dovecot's auth policy adds to a login, as `login` measures the other chains.

Real Dovecots of both Debian releases, told by the lines of `poplock setup`, each beside a twin
without an auth policy: its two ways, with the daemon running, absent, and stopped (SIGSTOP).
After-auth waits by design until the login is on disk, and where poplock is away until Dovecot's
time limit: those rows have no target. A login that fails is an error of the bench.
"""

from functools import partial

from poplock.config.sources import DovecotAuthPolicySettings
from testbed import servers
from testbed.roots import RELEASES
from testbed.servers.dovecot_http import Configured, policy_lines, version
from tests.daemon import Poplock

from .common import Row
from .login import MOST, STATES, added, by_pop3, daemon, twins

SOURCE = DovecotAuthPolicySettings(listen=("inet:127.0.0.1:4081",))
CONFIG = '[[source]]\ntype = "dovecot_auth_policy"\nlisten = ["inet:127.0.0.1:4081"]\n'
WAYS = {"report": 2, "after-auth": 1}  # by their numbers in the lines


def run(quick: bool = False) -> list[Row]:
    return [row for release in RELEASES for row in _release(release, quick)]


def _release(release: str, quick: bool) -> list[Row]:
    rows = []
    packages, prepare = servers.DOVECOT_POSTFIX, servers.PREPARE_POSTFIX
    with twins(packages, prepare, release) as (bare, ours, folder):
        for host in (bare, ours):
            servers.start_dovecot(host)
        Configured(bare).restart("", proof=False)
        dovecot = Configured(ours)
        poplock = Poplock(folder, CONFIG, partial(ours.popen, inside=False))
        for way, number in WAYS.items():
            dovecot.restart(policy_lines(ours, SOURCE, way=number))
            for state in STATES:
                rounds, logins = (3, 30) if quick else (15, 100)
                if way == "after-auth" and state != "running":  # half a second each
                    rounds, logins = 3, 5
                most = None if way == "after-auth" else MOST
                what = f"Dovecot {version(ours)}'s auth policy, {way}, daemon {state}"
                with daemon(poplock, state):
                    both = by_pop3(bare, ours)
                    rows.append(added(what, *both, rounds, logins, most))
    return rows
