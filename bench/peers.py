"""How does the policy service compare with other policy servers under the same load?

postfwd, postgrey and policyd-rate-limit as Debian 12 ships them, in one root of the testbed; the
real `poplock run` with 5,000 grants stands in the same network. Every peer says DUNNO to everybody:
postfwd by its first rule and its cache of requests, postgrey because it knows all triplets already
(and, in a row of its own, because the clients are on its whitelist, so that it looks nothing up),
policyd-rate-limit because nobody has authenticated. Ours looks up a grant for each client. All have
the same processor, and each was asked everything before the counting starts. In turns, ratios per
turn, medians; the CPU time that an answer costs is that of all processes of a peer. Needs root.
"""

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

from testbed.host import Host, end

from . import common
from .common import Row, cpu_seconds, daemon, fill, load, place, row
from .forms import POLICY, Form

RELEASE = "bookworm"
PACKAGES = ("postfwd", "postgrey", "policyd-rate-limit")
GRANTS = 5000
CONNECTIONS = 8
"""As many processes as a small host's Postfix has; postfwd starts one for each."""

WARMING = 4.0
"""Seconds; c/load.c has 4096 requests."""

_DUNNO = replace(POLICY, yes="action=DUNNO\n\n")
_RULES = "id=ALL; client_address=0.0.0.0/0; action=DUNNO\n"
_CLIENTS = "20.0.0.0/7\n"  # c/load.c's: 20.a.b.c and 21.a.b.c
_LIMITS = """\
debug: False
user: "policyd-rate-limit"
group: "policyd-rate-limit"
pidfile: "/run/policyd-rate-limit/pid"
sqlite_config: {database: "/var/lib/policyd-rate-limit/db.sqlite3"}
backend: 0
SOCKET: ["127.0.0.1", 10034]
limits: [[10, 60], [150, 86400]]
limit_by_sasl: True
success_action: "DUNNO"
"""


@dataclass(frozen=True)
class Peer:
    """A policy server, and how much faster than it ours has to be."""

    name: str
    command: str
    port: int
    least: float | None


PEERS = (
    Peer(
        "postfwd",
        "postfwd --file=/etc/postfwd.cf --interface=127.0.0.1 --port=10031"
        " --user=nobody --group=nogroup --nodns --cache=600 --cache-rdomain-only --cache-no-size",
        10031,
        20,
    ),
    Peer("postgrey", "postgrey --inet=127.0.0.1:10032 --delay=1", 10032, 20),
    Peer(
        "postgrey's whitelist",
        "postgrey --inet=127.0.0.1:10033 --dbdir=/tmp --whitelist-clients=/etc/postgrey/all",
        10033,
        None,
    ),
    Peer("policyd-rate-limit", "policyd-rate-limit", 10034, 2),
)


def run(quick: bool = False) -> list[Row]:
    rounds, seconds = (2, 0.5) if quick else (7, 1.0)
    with Host(RELEASE, PACKAGES) as host, place() as here:
        fill(here, GRANTS)
        host.write("/etc/postfwd.cf", _RULES)
        host.write("/etc/postgrey/all", _CLIENTS)
        host.write("/etc/policyd-rate-limit.yaml", _LIMITS)
        rows = []

        def loaded(cpu: Callable[[], float], port: int, form: Form) -> Row:
            before = cpu()
            result = load(port, CONNECTIONS, seconds, GRANTS, form, host.joining)
            return result | {"each": (cpu() - before) / result["with_warm_up"]}

        with daemon(here, host.joining) as pid:
            for peer in PEERS:
                with _running(host, peer):
                    turns = [
                        (
                            loaded(lambda: cpu_seconds(pid), here.port, POLICY),
                            loaded(lambda: _cpu_seconds_in(host), peer.port, _DUNNO),
                        )
                        for _ in range(rounds)
                    ]
                rows += _rows(peer, turns)
    return rows


@contextmanager
def _running(host: Host, peer: Peer) -> Iterator[None]:
    """A peer that answers and has been asked everything once."""
    log = host.shared / f"{peer.name}.log"
    with log.open("wb") as output:
        command = ["taskset", "-c", str(common.SERVER_CPU), *peer.command.split()]
        child = host.popen(command, stdout=output, stderr=output)
    try:
        host.wait_for_port(peer.port)  # postfwd goes into the background, and ends with the host
        _warm(host, peer.port)
        load(peer.port, CONNECTIONS, WARMING, GRANTS, _DUNNO, host.joining)
        yield
    except Exception as error:
        raise RuntimeError(f"{peer.name}: {error}\n{log.read_text()[-2000:]}") from error
    finally:
        end(child)


def _warm(host: Host, port: int) -> None:
    """Ask for each network of c/load.c's clients until no greylist puts it off or marks it."""
    with host.connect("127.0.0.1", port) as sock, sock.makefile("rb") as replies:

        def passes(request: bytes) -> bool:
            sock.sendall(request)
            return (replies.readline(), replies.readline()) == (b"action=DUNNO\n", b"\n")

        for a, c in product((20, 21), range(GRANTS // 256 + 1)):
            request = POLICY.request.replace("{ip}", f"{a}.0.{c}.1").encode()
            common.wait_for(partial(passes, request), "no greylisting", every=0.05)


def _cpu_seconds_in(host: Host) -> float:
    """What all processes of the root have used; postfwd has many."""
    total = 0.0
    for pid in host.processes():
        with suppress(FileNotFoundError, ProcessLookupError):
            total += cpu_seconds(pid)
    return total


def _rows(peer: Peer, turns: list[tuple[Row, Row]]) -> list[Row]:
    def middle(which: int, key: str) -> float:
        return statistics.median(turn[which][key] for turn in turns)

    def said(which: int) -> str:
        return f"{middle(which, 'rate'):,.0f}/s, p99 {middle(which, 'p99_us'):,.0f} µs"

    def each(which: int) -> str:
        return f"{middle(which, 'each') * 1e6:.1f} µs each"

    return [
        row(
            f"policy requests/s, {CONNECTIONS} connections, of {peer.name}",
            said(0),
            f"{peer.name} {said(1)}",
            [ours["rate"] / theirs["rate"] for ours, theirs in turns],
            least=peer.least,
            turns=turns,
        ),
        row(
            f"policy answers per CPU second, {CONNECTIONS} connections, of {peer.name}",
            each(0),
            f"{peer.name} {each(1)}",
            [theirs["each"] / ours["each"] for ours, theirs in turns],
            least=peer.least,
        ),
    ]
