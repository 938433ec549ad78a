"""The store that several hosts share: Redis 6.2 or later, Valkey 8 or later.

One key a network, `PREFIX:{NETWORK}`, so that each operation is one slot and one round trip in a
cluster, too; one for the revocations of operators, `PREFIX:revoked`; and `PREFIX:schema`, which
says whose keys these are and since when. What stands in them is `stores.document`'s.

A script in the server keeps a register unless a later one is there, lets go of those that have
ended, and has the engine drop the key some time after the last has. That is for tidiness: whether
a right still holds is decided where it is asked for, by its absolute end.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from hashlib import sha1
from typing import TypeVar

import msgspec
from redis.exceptions import NoScriptError

from ..config.shared import SharedSection
from ..core.addresses import Network
from ..core.errors import StoreError
from ..core.grants import Grant, Revoked
from .document import (
    Document,
    Register,
    Told,
    grant_register,
    pack,
    read,
    tombstone_register,
)
from .reaching import LIBRARY_ERRORS, Reach, SharedStoreError

T = TypeVar("T")

SCHEMA = 1
"""Raised when an older poplock could misread what stands under our keys."""

_CHUNK = 500  # keys of one request; a server is busy with it for about a millisecond
_SCANNED = 1000  # keys that a step of SCAN looks at

# KEYS[1]: a document. ARGV[1]: registers for it. ARGV[2]: seconds that it outlives them.
_KEEP = """
local packed = redis.call('GET', KEYS[1])
local held, changed, last = {}, false, 0
if packed then
    local read, found = pcall(cmsgpack.unpack, packed)
    local ours = read and type(found) == 'table'
    for _, register in pairs(ours and found or {}) do
        ours = ours and type(register) == 'table'
            and type(register[1]) == 'number' and type(register[2]) == 'number'
    end
    if not ours then
        return redis.error_reply('FOREIGN ' .. KEYS[1])
    end
    held = found
end
for name, new in pairs(cmsgpack.unpack(ARGV[1])) do
    local old = held[name]
    if not old then
        held[name], changed = new, true
    elseif old[1] < new[1] then
        local seq = old[1]
        old[1] = new[1]
        changed = changed or cmsgpack.pack(old) ~= cmsgpack.pack(new)
        old[1] = seq
        held[name] = new
    end
end
if not changed then return 0 end
local oldest = tonumber(redis.call('TIME')[1]) - tonumber(ARGV[2])
for name, register in pairs(held) do
    if register[2] < oldest then
        held[name] = nil
    elseif register[2] > last then
        last = register[2]
    end
end
if last == 0 then
    redis.call('DEL', KEYS[1])
else
    local gone = string.format('%.0f', (last + tonumber(ARGV[2])) * 1000)
    redis.call('SET', KEYS[1], cmsgpack.pack(held), 'PXAT', gone)
end
return 1
"""

_KEEP_SHA = sha1(_KEEP.encode(), usedforsecurity=False).hexdigest()
"""What the engine calls it by."""

_OUTLIVES = 600
"""Seconds that a key stays after its last register has ended: more than clocks may differ."""


# KEYS[1]: the schema. ARGV[1]: what it must be still. ARGV[2]: what it is then.
_CHANGE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) end
"""


class Schema(msgspec.Struct):
    """Whose keys these are: written by the first host that comes to an empty store."""

    schema: int
    epoch: str
    made: float
    memory: float = 0.0
    """Seconds that revocations are remembered; a host whose rights last longer raises it."""


class RedisStore:
    """The shared store; every method raises SharedStoreError."""

    def __init__(self, settings: SharedSection) -> None:
        self.reach = Reach(settings)
        self.prefix = f"{settings.prefix}:"
        self.revoked_key = f"{self.prefix}revoked"
        self.schema_key = f"{self.prefix}schema"

    def key(self, network: Network) -> str:
        return f"{self.prefix}{{{network}}}"

    def network(self, key: bytes) -> Network | None:
        """The network that a key stands for; None for the revocations and the schema."""
        text = key.decode(errors="replace")[len(self.prefix) :]
        return Network(text[1:-1]) if text.startswith("{") else None

    async def keep(
        self,
        grants: Iterable[Grant],
        revoked: Iterable[Revoked],
        host: str,
        seq: float,
        life: float,
    ) -> dict[str, SharedStoreError | None]:
        """Keep what `host` knows first-hand; returns the keys, and what stands in the way of some.

        `seq` says when it is told: it rises with each call. A revocation is kept for `life`
        seconds after its moment, the longest life of a right.
        """
        registers: dict[str, list[Register]] = {}
        for tombstone in revoked:
            by_source = tombstone.network is not None and tombstone.source is not None
            key = (
                self.key(tombstone.network) if by_source and tombstone.network else self.revoked_key
            )
            register = tombstone_register(tombstone, tombstone.at + life)
            registers.setdefault(key, []).append(register)
        for grant in grants:
            register = grant_register(grant, host, seq)
            registers.setdefault(self.key(grant.network), []).append(register)
        return await self._keep(registers)

    async def keep_told(self, told: Iterable[Told]) -> dict[str, SharedStoreError | None]:
        """The same for what several hosts know, as they told it."""
        registers: dict[str, list[Register]] = {}
        for host, seq, grant in told:
            register = grant_register(grant, host, seq)
            registers.setdefault(self.key(grant.network), []).append(register)
        return await self._keep(registers)

    async def _keep(
        self, registers: Mapping[str, list[Register]]
    ) -> dict[str, SharedStoreError | None]:
        documents = {key: pack(of_key) for key, of_key in registers.items()}
        kept: dict[str, SharedStoreError | None] = dict.fromkeys(documents)
        for keys in _chunks(list(documents)):
            results = await self._evaluate("EVALSHA", _KEEP_SHA, keys, documents)
            # A server that was restarted doesn't know the script yet.
            unknown = [k for k, r in results.items() if isinstance(r, NoScriptError)]
            if unknown:
                results |= await self._evaluate("EVAL", _KEEP, unknown, documents)
            for key, result in results.items():
                if isinstance(result, Exception):
                    kept[key] = error = self.reach.explained(result)
                    if error.setting != "shared.prefix":
                        raise error from result
        return kept

    async def _evaluate(
        self, command: str, script: str, keys: Sequence[str], documents: Mapping[str, bytes]
    ) -> dict[str, object]:
        """Run the script for each key, in one go."""
        client = await self.reach.client()
        pipeline = client.pipeline(transaction=False)
        for key in keys:
            pipeline.execute_command(command, script, 1, key, documents[key], _OUTLIVES)
        results = await self.reach.tried(pipeline.execute(raise_on_error=False))
        return dict(zip(keys, results, strict=True))

    async def find(self, networks: Sequence[Network]) -> dict[Network, Document | StoreError]:
        """What is told of each network; those of which nothing is told are left out."""
        return self.documents(await self.values(networks))

    async def values(
        self, networks: Sequence[Network]
    ) -> list[tuple[Network, bytes | Exception | None]]:
        """What stands under each network's key."""
        client = await self.reach.client()
        found: list[tuple[Network, bytes | Exception | None]] = []
        for chunk in _chunks(networks):
            pipeline = client.pipeline(transaction=False)
            for network in chunk:
                pipeline.execute_command("GET", self.key(network))
            values = await self.reach.tried(pipeline.execute(raise_on_error=False))
            found += zip(chunk, values, strict=True)
        return found

    def documents(
        self, values: Iterable[tuple[Network, bytes | Exception | None]]
    ) -> dict[Network, Document | StoreError]:
        """What the values of networks' keys say."""
        return {
            network: self._document(value, network)
            for network, value in values
            if value is not None
        }

    def _document(self, value: bytes | Exception, network: Network) -> Document | StoreError:
        if isinstance(value, Exception):
            return self.reach.explained(value)
        try:
            return read(value, network)
        except StoreError as error:
            return SharedStoreError(f"{self.key(network)}: {error}", "shared.prefix")

    def revocations(self, packed: bytes | None) -> list[Revoked]:
        """What operators have taken back, as it stands under `revoked_key`."""
        try:
            return [] if packed is None else read(packed, None).revoked
        except StoreError as error:
            raise SharedStoreError(f"{self.revoked_key}: {error}", "shared.prefix") from error

    async def networks(self) -> AsyncIterator[list[Network]]:
        """All networks of which anything is told, in handfuls; one may come twice (SCAN)."""
        client = await self.reach.client()
        handful: list[Network] = []
        keys = client.scan_iter(match=f"{self.prefix}{{*", count=_SCANNED)
        try:
            async for key in keys:
                network = self.network(key)
                if network is not None:
                    handful.append(network)
                if len(handful) == _CHUNK:
                    yield handful
                    handful = []
        except LIBRARY_ERRORS as error:
            raise self.reach.explained(error) from error
        if handful:
            yield handful

    async def get(self, key: str) -> bytes | None:
        """What stands under a key."""
        client = await self.reach.client()
        value: bytes | None = await self.reach.tried(client.get(key))
        return value

    def schema(self, text: bytes | None) -> Schema | None:
        """Whose keys these are, as it stands under `schema_key`; None in an empty store."""
        if text is None:
            return None
        try:
            schema = msgspec.json.decode(text, type=Schema)
        except msgspec.MsgspecError as error:
            raise SharedStoreError(
                f"{self.schema_key} in {self.reach.place} was not written by poplock ({error});"
                " set another shared.prefix",
                "shared.prefix",
            ) from error
        if schema.schema > SCHEMA:
            raise SharedStoreError(
                f"{self.reach.place} has schema {schema.schema}, of a newer poplock; this one knows"
                f" {SCHEMA}. Upgrade poplock on this host.",
                "shared.nodes",
            )
        return schema

    async def make_schema(self, epoch: str, now: float) -> None:
        """Say that the keys are ours, unless another host was first."""
        client = await self.reach.client()
        text = msgspec.json.encode(Schema(SCHEMA, epoch, now))
        await self.reach.tried(client.set(self.schema_key, text, nx=True))

    async def remember_for(self, seconds: float) -> float:
        """Have all hosts remember revocations at least as long; returns how long they do."""
        client = await self.reach.client()
        while True:  # where another host was quicker, it may have raised it less
            text = await self.get(self.schema_key)
            schema = self.schema(text)
            if schema is None or schema.memory >= seconds:
                return seconds if schema is None else schema.memory
            schema.memory = seconds
            change = (_CHANGE, 1, self.schema_key, text, msgspec.json.encode(schema))
            await self.reach.tried(client.execute_command("EVAL", *change))

    async def others_keys(self) -> bool:
        """Whether anything stands under our prefix."""
        client = await self.reach.client()
        try:
            async for _ in client.scan_iter(match=f"{self.prefix}*", count=_SCANNED):
                return True
        except LIBRARY_ERRORS as error:
            raise self.reach.explained(error) from error
        return False

    async def time(self) -> float:
        """The store's clock, in seconds of the epoch."""
        client = await self.reach.client()
        if self.reach.clustered:
            node = client.get_random_primary_node()
            seconds, micros = await self.reach.tried(client.time(target_nodes=node))
        else:
            seconds, micros = await self.reach.tried(client.time())
        return float(seconds) + float(micros) / 1e6


def _chunks(items: Sequence[T]) -> Iterable[Sequence[T]]:
    return (items[i : i + _CHUNK] for i in range(0, len(items), _CHUNK))
