"""What the tests need to know of a POP/IMAP server: how to start it and where it listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..host import Host

USUAL = {
    ("pop3", False): 110,
    ("pop3", True): 995,
    ("imap", False): 143,
    ("imap", True): 993,
}
"""Service and TLS -> port."""


@dataclass(frozen=True)
class Server:
    """One server of Debian's; its name is that of its dialect."""

    packages: tuple[str, ...]
    start: Callable[[Host], None]
    users: tuple[str, ...]
    ports: Mapping[tuple[str, bool], int]
    ipv6: bool = True
    tls_broken: tuple[str, ...] = ()
    """Releases on which its TLS doesn't work."""
    starttls: tuple[str, ...] = ()
    """Services that go over to TLS on their plain port."""

    starttls_untold: tuple[str, ...] = ()
    """Releases on which the line of a login doesn't tell that it was over STARTTLS."""

    def starttls_on(self, release: str) -> tuple[str, ...]:
        """Which of them do on a release."""
        return () if release in self.tls_broken else self.starttls

    def ports_on(self, release: str) -> dict[tuple[str, bool], int]:
        """Where it can be used on a release."""
        broken = release in self.tls_broken
        return {which: port for which, port in self.ports.items() if not (which[1] and broken)}
