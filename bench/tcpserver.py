"""What asking costs a connection under a real tcpserver.

A client connects, reads what a small program in place of qmail-smtpd says, and sees the end; one
connection after the other. Bare, with our cdb of 100,000 grants at `-x`, with poplock-check before
the program, and, to compare, with a wrapper in C that does no less. In turns, medians of turns.
"""

import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from poplock.config.maps import CdbSettings, DirectorySettings
from poplock.core.addresses import Network
from poplock.core.clock import SystemClock
from poplock.core.grants import Grant
from poplock.core.table import GrantTable

from .common import SERVER_CPU, Row, compiled, free_port, listens, row, running, wait_for
from .maps import granted, published

CHECK = Path(__file__).parent.parent / "programs" / "poplock-check"
GRANTS = 100_000  # in the cdb
FILES = 5000  # grants in the folder that poplock-check reads


def run(quick: bool = False) -> list[Row]:
    rounds, connections = (3, 100) if quick else (15, 500)
    with tempfile.TemporaryDirectory(prefix="poplock-bench-") as name, ExitStack() as exits:
        folder, smtpd = Path(name), compiled("smtpd")
        map_ = published(CdbSettings(path=str(folder / "smtp.cdb")), granted(GRANTS))
        now = SystemClock().now()
        own = Grant(Network("127.0.0.1/32"), "ann", "log", None, now, now, now + 3600)
        map_.update([(own.network, own)])
        map_.publish()
        table = GrantTable()
        for number in range(FILES - 1):
            network = Network(f"20.1.{number >> 8}.{number & 255}/32")
            table.give(Grant(network, "ann", "log", None, now, now, now + 3600))
        table.give(own)
        grants = folder / "grants"
        published(DirectorySettings(path=str(grants)), table)
        ways = {
            "bare": _tcpserver(smtpd),
            "cdb": _tcpserver(smtpd, rules=folder / "smtp.cdb"),
            "check": _tcpserver(CHECK, smtpd, POPLOCK_MAP=grants),
            "c": _tcpserver(compiled("check"), smtpd, POPLOCK_MAP=grants),
        }
        ports = {way: exits.enter_context(server) for way, server in ways.items()}
        turns = [
            {way: _connect(port, connections, closed=way == "bare") for way, port in ports.items()}
            for _ in range(rounds)
        ]

    def figure(way: str, what: str, most: float | None) -> Row:
        ours, bare = (statistics.median(t[w] for t in turns) * 1e3 for w in (way, "bare"))
        ratios = [t[way] / t["bare"] for t in turns]
        name = f"tcpserver connection {what}, of bare"
        return row(name, f"{ours:.2f} ms", f"bare {bare:.2f} ms", ratios, most=most)

    return [
        figure("cdb", f"with a cdb of {GRANTS:,} grants", 1.15),
        figure("check", f"with poplock-check, {FILES:,} grants", 2),
        figure("c", "with such a wrapper in C", None),
    ]


@contextmanager
def _tcpserver(*program: Path, rules: Path | None = None, **env: Path) -> Iterator[int]:
    found, port = shutil.which("tcpserver"), free_port()
    if found is None:
        raise FileNotFoundError("tcpserver: apt-get install ucspi-tcp")
    options = [] if rules is None else ["-x", rules]
    command = [found, "-HR", "-l", "mx", *options, "127.0.0.1", port, *program]
    with running(command, SERVER_CPU, **env):
        wait_for(lambda: listens(port), "tcpserver")
        yield port


def _connect(port: int, connections: int, *, closed: bool) -> float:
    """Seconds that a connection takes, on average."""
    expected = b"closed\n" if closed else b"open\n"
    start = time.perf_counter()
    for _ in range(connections):
        with socket.create_connection(("127.0.0.1", port)) as sock:
            said = b"".join(iter(lambda: sock.recv(64), b""))
        if said != expected:
            raise AssertionError(f"the program said {said!r}")
    return (time.perf_counter() - start) / connections
