"""Several hosts on one network: a switch, and a cable to each that can be cut or made bad.

The hosts are network namespaces, empty ones or those of whole machines (`Host`), which keep the
network of their clients: so a host whose cable to the site is cut still hears its own clients. On
the site's network they are 198.51.100.11 and following, 2001:db8:100::11 likewise.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from .place import Place, end_namespace, namespace
from .roots import TestbedError, layer

_SWITCH = """
echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6
ip link add switch type bridge && ip link set switch up && ip link set lo up
echo ready; exec sleep infinity
"""
_EMPTY = "ip link set lo up; echo ready; exec sleep infinity"
_PROJECT = Path(__file__).parent.parent


class Link:
    """The cable of one host. It starts whole."""

    def __init__(self, switch: Place, name: str) -> None:
        self._switch = switch
        self._name = name
        self._wire: subprocess.Popen[bytes] | None = None

    def cut(self) -> None:
        """Nothing gets through any more; neither end sees that by its device."""
        self.straighten()
        self._switch.run(f"ip link set {self._name} nomaster")

    def heal(self) -> None:
        """As new."""
        self.straighten()
        self._switch.run(f"ip link set {self._name} master switch")

    def delay(self, milliseconds: float, lost: float = 0.0) -> None:
        """Every frame comes later by so much, in each direction, and a share of them never."""
        self.cut()
        inner, outer = f"{self._name}-in", f"{self._name}-out"
        self._switch.run(f"ip link add {inner} type veth peer name {outer}")
        for device in (inner, outer):
            self._switch.run(f"ip link set {device} up")
        argv = [sys.executable, "-m", "testbed.wire", self._name, inner]
        self._wire = self._switch.popen(
            [*argv, str(milliseconds), str(lost)], stdout=subprocess.PIPE, cwd=_PROJECT
        )
        assert self._wire is not None and self._wire.stdout is not None
        if self._wire.stdout.readline() != b"ready\n":
            raise TestbedError("the bad cable does not carry anything")
        self._switch.run(f"ip link set {outer} master switch")

    def straighten(self) -> None:
        """Take the bad cable away."""
        if self._wire is not None:
            end_namespace(self._wire)
            self._wire = None
            self._switch.run(f"ip link del {self._name}-in")


class Site:
    """The switch and what hangs on it; a context manager."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        self.links: dict[str, Link] = {}

    def __enter__(self) -> Site:
        self._switch = Place(pid=self._namespace(_SWITCH))
        return self

    def __exit__(self, *exc: object) -> None:
        for link in self.links.values():
            link.straighten()
        for child in self._processes:
            end_namespace(child)

    def _namespace(self, script: str) -> int:
        child, pid = namespace(["--net", "--fork", "--kill-child", "sh", "-c", script])
        self._processes.append(child)
        return pid

    def host(self, name: str, at: Place | None = None) -> Place:
        """A host of this name, on the network namespace of `at` or on one of its own."""
        pid = self._namespace(_EMPTY) if at is None else at.pid
        number = 11 + len(self.links)
        place = Place(f"198.51.100.{number}", pid)
        self._switch.run(f"ip link add {name} type veth peer name site netns {pid}")
        place.run(f"ip addr add {place.address}/24 dev site")
        place.run(f"ip addr add 2001:db8:100::{number}/64 dev site nodad")
        place.run("ip link set site up")
        self._switch.run(f"ip link set {name} up master switch")
        self.links[name] = Link(self._switch, name)
        return place


def clock_off_by(seconds: float, release: str = "bookworm") -> Mapping[str, str]:
    """Environment with which a program of this machine sees another wall clock.

    libfaketime of Debian shifts what the C library says; time since boot and the times of files
    stay as they are, as on a host whose clock is wrong.
    """
    found = layer(release, ["libfaketime"]).glob("usr/lib/*/faketime/libfaketime.so.1")
    return {
        "LD_PRELOAD": str(next(found)),
        "FAKETIME": f"{seconds:+g}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
