"""One file a grant, for `poplock-check`: its end is tested by whoever reads it.

The file of 203.0.113.9 is `203.0.113.9`; that of an IPv6 network is made of its groups in decimal,
`8193-3512-1-2_64` for 2001:db8:1:2::/64, because a shell can compute that without starting another
program. `.ipv6-prefix` says how long the networks are. A file holds one line:

    DEADLINE BOOT-ID NETWORK USER

The deadline is in seconds since boot, compared with /proc/uptime, so no step of the wall clock
matters; the boot id makes a file from before a reboot worthless. A grant that rests on an open
session gets a deadline one lease ahead, renewed when half of that is over: a dead daemon sees no
logout, so its word must not last for `max_session`.
"""

import threading
from collections.abc import Iterable
from ipaddress import IPv6Network
from pathlib import Path

from ..config.maps import DirectorySettings, MapSettings
from ..core.addresses import Network
from ..core.clock import Clock
from ..core.errors import MapError
from ..core.grants import Grant
from .publish import publish

PREFIX_FILE = ".ipv6-prefix"
_REMADE = 0.5  # of a lease: when a file's deadline is prolonged


def file_name(network: Network) -> str:
    """The name of a network's file, as `poplock-check` computes it."""
    if ":" not in network:
        return network.removesuffix("/32")
    net = IPv6Network(network)
    groups = net.network_address.packed
    count = (net.prefixlen + 15) // 16
    numbers = [str(int.from_bytes(groups[2 * i : 2 * i + 2])) for i in range(count)]
    return f"{'-'.join(numbers)}_{net.prefixlen}"


class FolderMap:
    """A folder of small files, and what still has to be written into it."""

    def __init__(self, settings: MapSettings, clock: Clock) -> None:
        self._path = Path(settings.path)
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[str, bytes | None] = {}
        self._sweep = False

    def _begin_anew(self) -> None:
        """Forget what is known of the files."""

    def _change(self, network: Network, grant: Grant | None) -> Iterable[tuple[str, bytes | None]]:
        """Files to be written, or to be taken away, when this is the network's best grant."""
        raise NotImplementedError

    def replace_all(self, grants: Iterable[Grant]) -> None:
        with self._lock:
            self._waiting.clear()
            self._begin_anew()
            self._sweep = True
        self.update((grant.network, grant) for grant in grants)

    def update(self, changed: Iterable[tuple[Network, Grant | None]]) -> None:
        with self._lock:
            for network, grant in changed:
                self._waiting.update(self._change(network, grant))

    def renew(self) -> None:
        """Nothing lapses by itself."""

    def publish(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            sweep, self._sweep = self._sweep, False
        try:
            if sweep:
                self._path.mkdir(mode=0o755, exist_ok=True)
                self._remove_all_but(waiting)
            for name, line in waiting.items():
                self._write(name, line)
        except (OSError, MapError) as error:
            with self._lock:
                self._waiting = waiting | self._waiting
                self._sweep = self._sweep or sweep
            if isinstance(error, MapError):
                raise
            raise MapError(f"cannot write the map {self._path}: {error.strerror}") from error

    def _write(self, name: str, line: bytes | None) -> None:
        if line is None:
            (self._path / name).unlink(missing_ok=True)
        else:
            mode = int(self._settings.mode, 8)
            # No fsync: after a crash of the host the boot id makes the file worthless anyway.
            publish(self._path / name, [line], mode=mode, group=self._settings.group, durable=False)

    def _remove_all_but(self, names: Iterable[str]) -> None:
        for file in self._path.iterdir():
            if file.name not in names:
                file.unlink(missing_ok=True)

    def clear(self) -> None:
        try:
            if self._path.is_dir():
                self._remove_all_but(())
        except OSError as error:
            raise MapError(f"cannot empty the map {self._path}: {error.strerror}") from error


class DirectoryMap(FolderMap):
    """The folder that `poplock-check` reads."""

    def __init__(self, settings: DirectorySettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._leased: dict[Network, tuple[Grant, float]] = {}  # by deadline, before the grant's end

    def _begin_anew(self) -> None:
        self._leased.clear()

    def _change(self, network: Network, grant: Grant | None) -> Iterable[tuple[str, bytes | None]]:
        self._leased.pop(network, None)
        name = file_name(network)
        if grant is None:
            yield name, None
            return
        ahead = grant.expires_at - self._clock.now()
        deadline = int(self._clock.uptime() + min(ahead, self._settings.lease))
        if ahead > self._settings.lease:
            self._leased[network] = grant, deadline
        user = "".join(c for c in grant.user if c.isprintable())
        yield name, f"{deadline} {self._clock.boot_id()} {network} {user}\n".encode()
        if ":" in network:
            yield PREFIX_FILE, network.rpartition("/")[2].encode() + b"\n"

    def renew(self) -> None:
        half = self._clock.uptime() + self._settings.lease * _REMADE
        self.update([(n, g) for n, (g, deadline) in list(self._leased.items()) if deadline < half])
