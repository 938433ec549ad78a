"""What a route is: one MTA, and one way for it to ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from poplock.cli.setup import lines
from poplock.config.load import load_config
from testbed.host import Host
from testbed.printed import files


@dataclass(frozen=True)
class Place:
    """Where a route runs: the machine, whose `/shared` poplock sees too."""

    host: Host
    config: Path
    """The configuration of poplock, for whatever `poplock setup` prints."""

    @property
    def shared(self) -> Path:
        return self.host.shared

    def setup(self, name: str) -> str:
        """What `poplock setup NAME` prints."""
        return lines(name, load_config(self.config))

    def printed(self, name: str) -> dict[str, str]:
        """The same, by the files that it names."""
        return files(self.setup(name))


@dataclass(frozen=True)
class Route:
    """One line of the table."""

    name: str
    packages: tuple[str, ...]
    """Of the MTA; Dovecot and rsyslog come by themselves."""
    config: str
    """The `[[answer]]` or `[[map]]` of poplock.toml; `{maps}` is a folder that both see,
    `{enter}` what stands before a program of the MTA's machine."""
    start: Callable[[Place], None]
    """Configure and start the MTA, so that it asks poplock."""
    prepare: str = ""
    """Shell that runs in the root before the packages are installed."""
    releases: tuple[str, ...] = ("bookworm", "trixie")
    soft: bool = True
    """Whether the MTA can be told "try again": trouble is 4xx then, and 5xx else."""
    ipv6: bool = True
    """Whether the MTA knows IPv6 at all."""
    port: int = 25
    mapped_port: int | None = None
    """A port where the MTA sees an IPv4 client as ::ffff:a.b.c.d, where it can."""
    endless: bool = False
    """Whether the MTA waits for a hung poplock longer than a client does, so that only the kill by
    systemd's watchdog brings an answer."""
    sessions: int = 10
    """How many sessions at once try the relay forms."""
    clears: bool = field(default=False)
    """Whether the grants stand in a map that somebody has to empty for a dead daemon."""
    restart: Callable[[Place], None] | None = None
    """Make the MTA notice what it only reads at its start; None where nothing is needed."""
