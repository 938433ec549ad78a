"""One server that keeps data."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..place import HERE, Place
from ..roots import TestbedError
from .engine import ADMIN, Engine

TLS = Path(__file__).parent.parent.parent / "tests/samples/tls"
"""The authority ca.pem; server.pem for localhost and 127.0.0.1; client.pem for whoever connects."""

EVERYONE = "user default on nopass ~* &* +@all"


class Server(Engine):
    """Keeps what it was told over a kill -9 (appendonly) unless `options` say otherwise.

    `options` are lines of redis.conf: {"maxmemory": "2mb", "maxmemory-policy": "noeviction"}.
    `users` are lines of an ACL file; unless given, `default` may do all without a password.
    With `tls`, there is no other port, and clients must show a certificate of the same authority.
    """

    def __init__(
        self,
        flavour: str = "redis-bookworm",
        options: Mapping[str, str] | None = None,
        *,
        place: Place = HERE,
        users: Sequence[str] = (EVERYONE,),
        tls: bool = False,
    ) -> None:
        super().__init__(flavour, place)
        self._options = {"save": '""', "appendonly": "yes", **(options or {})}
        self._users = users
        self._tls = tls

    def configuration(self) -> str:
        admin = f"user {ADMIN} on >{ADMIN} ~* &* +@all"
        (self.folder / "users").write_text("\n".join([admin, *self._users]) + "\n")
        lines = {
            "aclfile": f"{self.folder}/users",
            "masteruser": ADMIN,
            "masterauth": ADMIN,
            "repl-diskless-sync-delay": "0",
            **self._options,
        }
        if self._tls:
            lines |= {
                "port": "0",
                "tls-port": str(self.port),
                "tls-cert-file": f"{TLS}/server.pem",
                "tls-key-file": f"{TLS}/server.key",
                "tls-ca-cert-file": f"{TLS}/ca.pem",
            }
        return "".join(f"{name} {value}\n" for name, value in lines.items())

    def restart(self, *, empty: bool = False) -> None:
        """kill -9 and start; `empty`: with nothing of what it kept, as after a lost disk."""
        self.kill()
        if empty:
            (self.folder / "dump.rdb").unlink(missing_ok=True)
            shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)
        self.start()

    def replicate(self, master: Server) -> None:
        """Become a replica, and return when it has all that the master has."""
        self.cli("REPLICAOF", master.place.address, str(master.port))
        self.until(self.in_step, f"{self.address} follows {master.address}")

    def in_step(self) -> bool:
        """Whether it is a replica with its link up."""
        try:
            return self.facts("replication").get("master_link_status") == "up"
        except TestbedError:  # sentinels end all connections of a server whose master they change
            return False

    @property
    def is_master(self) -> bool:
        """By its own words."""
        return self.facts("replication")["role"] == "master"

    def change_password(self, password: str, user: str = "default") -> None:
        """Give a user another password and close its connections, as a careful operator does."""
        self.cli("ACL", "SETUSER", user, "resetpass", f">{password}")
        self.cli("CLIENT", "KILL", "USER", user, "SKIPME", "yes")
