"""A running root: mount, process and network namespaces of its own, and clients beside it.

Ending the one process at its top ends every server in it; it also ends when the test's process
dies. On the network the host is 203.0.113.1 and 2001:db8:1::1. A second network namespace, joined
by a veth pair, holds the clients: 203.0.113.2 to .20, IPv6 likewise, and all of 198.18.0.0/15, so
that they are remote and none of poplock's defaults has to be bent. Nothing leaves the two
namespaces.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .place import Place, die_with_parent, end_namespace, in_network, namespace
from .roots import POPULATE, TestbedError, base, cache, layer

SERVER4, SERVER6 = "203.0.113.1", "2001:db8:1::1"
MANY_CLIENTS = "198.18.0.0/15"

_INIT = (
    r"""
set -e
lower=$1 scratch=$2 shared=$3
mount --make-rprivate /
mount -t overlay -o "lowerdir=$lower,upperdir=$scratch/upper,workdir=$scratch/work" overlay \
    "$scratch/root"
cd "$scratch/root"
"""
    + POPULATE
    + r"""
mkdir -p shared
mount --bind "$shared" shared
mkdir -p ".$shared"  # and by the name that it has outside
mount --bind "$shared" ".$shared"
if test -d var/spool/postfix; then
    mkdir -p var/spool/postfix/poplock "$shared/policy"
    mount --bind "$shared/policy" var/spool/postfix/poplock
fi
hostname "$(cat etc/hostname)"  # of /etc/hosts: servers look their own name up as they start
printf 'nameserver 127.0.0.1\n' > etc/resolv.conf  # nobody, which is known at once
echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 2>/dev/null || :
echo 0 > /proc/sys/net/ipv6/conf/all/disable_ipv6
ip link set lo up
echo ready
while :; do sleep 1000 & wait; done
"""
)


class Host:
    """One root and its network; a context manager."""

    def __init__(self, release: str, packages: Sequence[str], prepare: str = "") -> None:
        self.release = release
        upper = layer(release, packages, prepare)
        self._lower = f"{upper}:{base(release)}"
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Host:
        run = cache() / "running"
        run.mkdir(parents=True, exist_ok=True)
        self._scratch = Path(tempfile.mkdtemp(prefix="host-", dir=run))
        self.shared = self._scratch / "shared"
        for name in ("root", "upper", "work", "shared"):
            (self._scratch / name).mkdir()
        for path in (self._scratch, self.shared):
            path.chmod(0o755)
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def _start(self) -> None:
        flags = ["--mount", "--uts", "--pid", "--net", "--fork", "--kill-child"]
        arguments = [self._lower, str(self._scratch), str(self.shared)]
        self._pid = self._namespace([*flags, "sh", "-c", _INIT, "sh", *arguments])
        clients = "ip link set lo up; echo ready; exec sleep infinity"
        self._clients = self._namespace(["--net", "--fork", "--kill-child", "sh", "-c", clients])
        self.root = self._scratch / "root"
        _ip(f"link add server netns {self._pid} type veth peer name client netns {self._clients}")
        self._net(self._pid, "server", [f"{SERVER4}/24", f"{SERVER6}/64"])
        more = [f"203.0.113.{i}/24" for i in range(2, 21)]
        more += [f"2001:db8:1::{i:x}/64" for i in range(2, 21)] + ["2001:db8:2::2/64"]
        self._net(self._clients, "client", more)
        _inside(self._pid, f"ip route add 2001:db8:2::/64 via {SERVER6[:-1]}2 dev server")
        # More clients than a device can list: each address of this network is one.
        _inside(self._clients, f"ip route add local {MANY_CLIENTS} dev lo")
        _inside(self._pid, f"ip route add {MANY_CLIENTS} via 203.0.113.2 dev server")

    def _namespace(self, arguments: list[str]) -> int:
        """Start a process in namespaces of its own; its pid once it is ready."""
        child, pid = namespace(arguments)
        self._processes.append(child)
        return pid

    def _net(self, pid: int, device: str, addresses: list[str]) -> None:
        lines = [
            f"addr add {address} dev {device}{' nodad' if ':' in address else ''}"
            for address in addresses
        ]
        batch = "\n".join([*lines, f"link set {device} up\n"])
        _inside(pid, "ip -batch -", input=batch.encode())

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process of the host, and take its files away."""
        for child in self._processes:
            end_namespace(child)
        shutil.rmtree(self._scratch, ignore_errors=True)

    @property
    def entering(self) -> list[str]:
        """What stands before a program so that it runs in the root, and ends with its parent."""
        enter = ["nsenter", "-t", str(self._pid), "-m", "-u", "-p"]
        return [*enter, "setpriv", "--pdeathsig", "KILL", "chroot", str(self.root)]

    @property
    def files(self) -> Path:
        """The root's files as a process outside sees them."""
        return Path(f"/proc/{self._pid}/root{self.root}")

    @property
    def place(self) -> Place:
        """The root's network."""
        return Place(SERVER4, self._pid)

    @property
    def joining(self) -> list[str]:
        """What stands before a program of this machine so that it has the root's network."""
        return ["nsenter", "-t", str(self._pid), "-n"]

    def processes(self) -> list[int]:
        """Every process in the root, by its number on this machine."""
        ours, found = Path(f"/proc/{self._pid}/ns/pid").readlink(), []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (folder / "ns/pid").readlink() == ours:
                    found.append(int(folder.name))
        return found

    def popen(self, argv: Sequence[str], *, inside: bool = True, **more: Any) -> Any:
        """Start a program in the root, or with `inside=False` in its network only."""
        enter = self.joining
        if inside:
            enter += ["-m", "-u", "-p", "chroot", str(self.root)]
            more.setdefault("env", {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"})
        more.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen([*enter, *argv], preexec_fn=die_with_parent, **more)

    def popen_with_users(self, argv: Sequence[str], **more: Any) -> Any:
        """Start a program of this machine in the root's network, with the root's /etc/passwd."""
        self.run(["cp", "/etc/passwd", "/shared/passwd"])
        bind = f'mount --bind {self.shared}/passwd /etc/passwd && exec "$@"'
        return self.popen(
            ["unshare", "--mount", "sh", "-c", bind, "sh", *argv], inside=False, **more
        )

    def run(self, argv: Sequence[str], *, inside: bool = True) -> str:
        """Run a program to its end; its output. TestbedError with its words if it fails."""
        # A file and not a pipe: a daemon that is started keeps its end of it.
        with tempfile.TemporaryFile() as output:
            child = self.popen(argv, inside=inside, stdout=output, stderr=subprocess.STDOUT)
            try:
                status = child.wait(60)
            except subprocess.TimeoutExpired:
                child.kill()
                status = child.wait()
            output.seek(0)
            text = output.read().decode(errors="replace")
        if status != 0:
            raise TestbedError(f"{' '.join(argv)}: status {status}\n{text}")
        return text

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Put a file into the root."""
        with self.popen(["tee", path], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
            child.communicate(text.encode())
        self.run(["chmod", f"{mode:o}", path])

    def connect(self, source: str, port: int) -> socket.socket:
        """A connection from a client's address to the host.

        127.x and ::1 connect inside the host; all others come from the clients' namespace.
        """
        local = source.startswith("127.") or source == "::1"
        server = {True: ("127.0.0.1", "::1"), False: (SERVER4, SERVER6)}[local][":" in source]
        return in_network(
            self._pid if local else self._clients,
            lambda: socket.create_connection((server, port), 20, (source, 0)),
        )

    def listen_on_both_families(self, port: int) -> socket.socket:
        """A listening IPv6 socket of the host, where IPv4 clients come as ::ffff:a.b.c.d."""

        def make() -> socket.socket:
            return socket.create_server(
                ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=50
            )

        return in_network(self._pid, make)

    def wait_for_port(self, port: int, seconds: float = 30) -> None:
        """Until something answers on the port."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.connect("127.0.0.1", port).close()
                return
            except OSError as error:
                if time.monotonic() > deadline:
                    raise TestbedError(f"nothing listens on port {port}: {error}") from error
                time.sleep(0.05)


def _ip(command: str) -> None:
    subprocess.run(["ip", *command.split()], check=True)


def _inside(pid: int, command: str, **more: Any) -> None:
    subprocess.run(["nsenter", "-t", str(pid), "-n", *command.split()], check=True, **more)


def end(child: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> int:
    """Send a signal and wait for the end; the exit status."""
    with suppress(ProcessLookupError):
        child.send_signal(number)
    return child.wait(20)
