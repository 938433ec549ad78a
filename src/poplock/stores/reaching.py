"""How the shared store is reached: one server, Sentinel or Cluster, TLS, a user; and what is wrong.

The client library does what has to do with connections and failovers. It never tries again by
itself: whoever asks must hear at once that nothing can be said.
"""

import asyncio
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from redis import exceptions as errors
from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from ..config.shared import SharedSection
from ..core.errors import StoreError

LIBRARY_ERRORS = (errors.RedisError, errors.RedisClusterException, OSError)
"""What the client library raises where a server is away or says no."""


class SharedStoreError(StoreError):
    """The shared store can't be asked; `setting` is the key that is to be looked at, if any."""

    def __init__(self, text: str, setting: str | None = None) -> None:
        super().__init__(text)
        self.setting = setting


class Master(NamedTuple):
    """A server that takes writes, and what makes a connection of the library to it."""

    name: str
    connection: Callable[[], Any]


class Reach:
    """The library's client for a configuration, made when it is first needed."""

    def __init__(self, settings: SharedSection) -> None:
        self.settings = settings
        self.place = f"the shared store at {', '.join(settings.nodes)}"
        self._client: Redis | RedisCluster | None = None
        self._sentinel: Any = None

    async def client(self) -> Any:
        """The client, ready to be used."""
        if self._client is None:
            make: dict[str, Callable[[], Redis | RedisCluster]] = {
                "single": self._single,
                "sentinel": self._watched,
                "cluster": self._cluster,
            }
            self._client = make[self.settings.mode]()
        if isinstance(self._client, RedisCluster):
            await self.tried(self._client.initialize())
        return self._client

    @property
    def clustered(self) -> bool:
        return self.settings.mode == "cluster"

    def _single(self) -> Redis:
        ((host, port),) = self.settings.addresses()
        return Redis(host=host, port=port, db=self.settings.database, **self._ours())

    def _watched(self) -> Redis:
        settings = self.settings
        theirs = self._options(settings.sentinel_username, settings.sentinel_password_file)
        sentinel: Any = Sentinel  # its signature has no types
        self._sentinel = sentinel(settings.addresses(), sentinel_kwargs=theirs)
        client: Redis = self._sentinel.master_for(
            settings.master, redis_class=Redis, db=settings.database, **self._ours()
        )
        return client

    def _cluster(self) -> RedisCluster:
        nodes = [ClusterNode(host, port) for host, port in self.settings.addresses()]
        return RedisCluster(startup_nodes=nodes, require_full_coverage=False, **self._ours())

    def _ours(self) -> dict[str, Any]:
        settings = self.settings
        quiet = MaintNotificationsConfig(enabled=False)
        options = self._options(settings.username, settings.password_file)
        return options | {"maint_notifications_config": quiet}

    def _options(self, user: str | None, password_file: str | None) -> dict[str, Any]:
        settings = self.settings
        options: dict[str, Any] = {
            "protocol": 3,
            # Ours is in `tried`: the library's is wait_for(), which may lose a cancellation
            # before Python 3.12, so that the daemon would never stop.
            "socket_timeout": None,
            "socket_connect_timeout": float(settings.timeout),
            "client_name": "poplock",
            "driver_info": None,
            "retry": Retry(NoBackoff(), 0),
            "username": user,
            "password": None if password_file is None else _first_line(password_file),
        }
        if settings.tls is not None:
            options |= {
                "ssl": True,
                "ssl_ca_certs": settings.tls.ca,
                "ssl_certfile": settings.tls.certificate,
                "ssl_keyfile": settings.tls.key,
                "ssl_min_version": ssl.TLSVersion.TLSv1_2,
            }
        return options

    async def masters(self) -> list[Master]:
        """The servers that hold the keys now, as far as is known."""
        client = await self.client()
        if self.clustered:
            return [
                Master(node.name, partial(node.connection_class, **node.connection_kwargs))
                for node in client.get_primaries()
            ]
        return [Master(self._only, client.connection_pool.make_connection)]

    @property
    def _only(self) -> str:
        return self.settings.master or self.settings.nodes[0]

    def holder(self, key: str) -> str | None:
        """The master that holds a key, as far as is known."""
        client: Any = self._client
        if client is None or not self.clustered:  # asked for each network: no look at its type
            return self._only
        node = client.get_node_from_key(key)
        return None if node is None else node.name

    async def look_again(self) -> None:
        """Find out anew which servers hold the keys."""
        if isinstance(self._client, RedisCluster):
            await self.tried(self._client.nodes_manager.initialize())

    async def close(self) -> None:
        """Let go of all connections; the next use makes new ones, with the password of then."""
        client, self._client = self._client, None
        sentinel, self._sentinel = self._sentinel, None
        for each in (client, sentinel):
            if each is not None:
                await each.aclose()

    async def tried(self, work: Any) -> Any:
        """The outcome of `work`, or SharedStoreError."""
        try:
            async with asyncio.timeout(float(self.settings.timeout)):
                return await work
        except LIBRARY_ERRORS as error:
            explained = self.explained(error)
            await self.read_anew(explained)
            raise explained from error

    async def read_anew(self, error: SharedStoreError) -> bool:
        """Have a password or key that was refused read again; False where it wasn't that."""
        if error.setting not in ("shared.password_file", "shared.tls"):
            return False
        await self.close()
        return True

    def explained(self, error: Exception) -> SharedStoreError:
        """What an operator is told, and which setting it is about."""
        if isinstance(error, SharedStoreError):
            return error
        cause = error.__cause__ or error.__context__
        text = str(error) or str(cause or "") or type(error).__name__
        if isinstance(cause, ssl.SSLError):
            return SharedStoreError(f"no TLS with {self.place}: {cause}", "shared.tls")
        for kinds, words, what, setting in _KNOWN:
            if isinstance(error, kinds) or any(word in text for word in words):
                return SharedStoreError(f"{self.place} {what} ({text})", setting)
        return SharedStoreError(f"cannot ask {self.place}: {text}", "shared.nodes")


# Which error, words in its text, what it means, where to look.
_KNOWN: tuple[tuple[tuple[type[Exception], ...], tuple[str, ...], str, str | None], ...] = (
    (
        (errors.AuthenticationError, errors.AuthorizationError),
        ("WRONGPASS", "NOAUTH", "AUTH failed"),
        "refuses our user or password",
        "shared.password_file",
    ),
    ((errors.NoPermissionError,), ("NOPERM",), "forbids our user to do this", "shared.username"),
    (
        (errors.ReadOnlyError,),
        ("READONLY",),
        "is a replica and takes no writes: name the master, or the sentinels",
        "shared.nodes",
    ),
    ((errors.OutOfMemoryError,), ("OOM ",), "is full: raise its maxmemory", None),
    (
        (),
        ("WRONGTYPE", "FOREIGN"),
        "holds keys of another program under our prefix",
        "shared.prefix",
    ),
    (
        (),
        ("cluster support disabled", "Cluster mode is not enabled"),
        "is no cluster",
        "shared.mode",
    ),
    ((errors.MovedError,), (), 'is a cluster: mode = "cluster"', "shared.mode"),
    ((), ("No master found",), "knows no working master of that name", "shared.master"),
)


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SharedStoreError(f"cannot read {path}: {error}", "shared.password_file") from error
