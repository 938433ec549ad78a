"""The store that several hosts share: where it is and how long we go on without it."""

import re
import socket
from typing import Annotated, Literal

from msgspec import Meta, Struct

from .complaint import Complaint, absolute
from .duration import Duration

DEFAULT_PORTS = {"single": 6379, "cluster": 6379, "sentinel": 26379}


class SharedTls(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """TLS towards the store; with a certificate of our own where it wants one."""

    ca: str
    certificate: str | None = None
    key: str | None = None

    def check(self, where: str) -> None:
        for name in ("ca", "certificate", "key"):
            path = getattr(self, name)
            if path is not None:
                absolute(f"{where}.{name}", path)
        if (self.certificate is None) != (self.key is None):
            raise Complaint(where, "certificate and key go together")


class SharedSection(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A Redis or Valkey that several hosts share."""

    nodes: tuple[str, ...]
    mode: Literal["single", "sentinel", "cluster"] = "single"
    master: str | None = None
    database: Annotated[int, Meta(ge=0, le=999_999)] = 0
    username: str | None = None
    password_file: str | None = None
    sentinel_username: str | None = None
    sentinel_password_file: str | None = None
    tls: SharedTls | None = None
    prefix: str = "poplock"
    host: str | None = None
    max_staleness: Duration = Duration(10)
    max_skew: Duration = Duration(5)
    timeout: Duration = Duration(2)

    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of each node; ValueError for what is neither."""
        return [_address(node, DEFAULT_PORTS[self.mode]) for node in self.nodes]

    @property
    def host_name(self) -> str:
        """This host's name among those that share the store."""
        return self.host or socket.gethostname()

    def check(self, where: str) -> None:
        """Complain about the first value that can't be meant."""
        if not self.nodes:
            raise Complaint(f"{where}.nodes", 'name at least one, such as "192.0.2.5:6379"')
        for i, node in enumerate(self.nodes):
            try:
                _address(node, DEFAULT_PORTS[self.mode])
            except ValueError as error:
                raise Complaint(f"{where}.nodes[{i}]", str(error)) from None
        self._check_mode(where)
        if not re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", self.prefix):
            raise Complaint(f"{where}.prefix", "up to 64 letters, digits, and any of _ . : -")
        if self.host is not None and not 1 <= len(self.host) <= 255:
            raise Complaint(f"{where}.host", "a name of 1 to 255 characters")
        for name in ("password_file", "sentinel_password_file"):
            path = getattr(self, name)
            if path is not None:
                absolute(f"{where}.{name}", path)
        if self.username is not None and self.password_file is None:
            raise Complaint(f"{where}.username", "a user needs a password_file")
        if self.tls is not None:
            self.tls.check(f"{where}.tls")
        for name in ("max_staleness", "max_skew", "timeout"):
            if getattr(self, name) <= 0:
                raise Complaint(f"{where}.{name}", "must be longer than nothing")

    def _check_mode(self, where: str) -> None:
        if self.mode == "single" and len(self.nodes) > 1:
            raise Complaint(
                f"{where}.nodes",
                'one node in mode "single"; set mode to "sentinel" or "cluster" for more',
            )
        if self.mode == "sentinel" and self.master is None:
            raise Complaint(f"{where}.master", "name the master that the sentinels watch")
        if self.mode != "sentinel":
            for name in ("master", "sentinel_username", "sentinel_password_file"):
                if getattr(self, name) is not None:
                    raise Complaint(f"{where}.{name}", 'only with mode = "sentinel"')
        if self.mode == "cluster" and self.database:
            raise Complaint(f"{where}.database", "a cluster has database 0 alone")


def _address(node: str, port: int) -> tuple[str, int]:
    """`host`, `host:port`, `192.0.2.5:6379` or `[2001:db8::5]:6379`."""
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+))(?::(\d{1,5}))?", node)
    if found is None or (found[3] and not 1 <= int(found[3]) <= 65_535):
        raise ValueError(f'{node!r} is no node; write "HOST:PORT", with IPv6 as "[ADDRESS]:PORT"')
    return found[1] or found[2], int(found[3] or port)
