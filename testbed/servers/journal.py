"""systemd's journald without systemd, and programs in the cgroups of units.

journald takes a writer's unit from the name of its cgroup. So a slice of our own, beside the
machine's, with a group in it for each unit, makes `_SYSTEMD_UNIT` as on a host that systemd runs.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..host import Host, end

_GROUPS = "/sys/fs/cgroup"
_START = r"""
mkdir -p /sys && mount -t sysfs sysfs /sys && mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir "$1"
systemd-machine-id-setup >/dev/null 2>&1
mkdir -p /run/systemd/journal /etc/systemd
printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\n' > /etc/systemd/journald.conf
ln -sf /run/systemd/journal/dev-log /dev/log
"""
_END = r"""
echo 1 > "$1/cgroup.kill"
until grep -q 'populated 0' "$1/cgroup.events"; do sleep 0.05; done
rmdir "$1"/*/ "$1"
"""


class Journal:
    """A running journald, and who writes to it."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._slice = f"{_GROUPS}/poplocktest{os.getpid()}.slice"
        host.run(["sh", "-ec", _START, "sh", self._slice])
        self._child = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        argv = self.as_unit("systemd-journald.service", "/lib/systemd/systemd-journald")
        child: subprocess.Popen[bytes] = self._host.popen(argv, stderr=subprocess.DEVNULL)
        self._host.run(
            ["sh", "-c", "until test -S /run/systemd/journal/dev-log; do sleep .05; done"]
        )
        return child

    def as_unit(self, unit: str, *argv: str, user: str = "") -> list[str]:
        """The command that runs a program in the cgroup of a unit."""
        group = f"{self._slice}/{unit}"
        begin = f'mkdir -p {group} && echo $$ > {group}/cgroup.procs && exec "$@"'
        su = ["setpriv", "--reuid", user, "--clear-groups"] if user else []
        return ["sh", "-ec", begin, "sh", *su, *argv]

    def write(self, unit: str, tag: str, text: str, user: str = "") -> None:
        """Log as a program of a unit does; returns when that text is in the journal."""
        # The unit of a process that has ended is not known: so it waits for us.
        program = ["systemd-cat", "-t", tag, "sh", "-c", 'echo "$1"; read -r end', "sh", text]
        argv = self.as_unit(unit, *program, user=user)
        with self._host.popen(argv, stdin=subprocess.PIPE):
            shown = 'until journalctl -o cat -t "$1" | grep -qxF -- "$2"; do sleep .05; done'
            self._host.run(["sh", "-c", shown, "sh", tag, text])

    def rotate_and_vacuum(self) -> None:
        """Close the present file and delete all closed ones."""
        self._host.run(["journalctl", "--rotate", "--vacuum-time=1us"])

    def journalctl(self, folder: Path) -> Path:
        """A folder for PATH with a journalctl that reads this journal."""
        folder.mkdir()
        program = folder / "journalctl"
        enter = " ".join(self._host.entering)
        program.write_text(f'#!/bin/sh\nexec {enter} journalctl "$@"\n')
        program.chmod(0o755)
        return folder

    def close(self) -> None:
        self._host.run(["sh", "-ec", _END, "sh", self._slice])
        end(self._child)


@contextmanager
def journald(host: Host) -> Iterator[Journal]:
    """journald until the block ends, and with it all programs in units."""
    journal = Journal(host)
    try:
        yield journal
    finally:
        journal.close()
