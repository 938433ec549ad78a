"""A shared store as an end of a copy.

From one to another, registers go as they are, under the names of the hosts that told them; so those
go on telling, and what they tell takes the place of what was copied.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from secrets import token_hex

from ..config.shared import SharedSection
from ..core.addresses import Network
from ..core.clock import SystemClock
from ..core.errors import StoreError
from ..core.grants import Grant, Key, Revoked, after_revocation
from ..core.table import GrantTable
from ..scales import measured_offset
from ..stores.document import Told, read_registers
from ..stores.reaching import SharedStoreError
from ..stores.redis import RedisStore
from .end import Chunk

_Value = tuple[Network, bytes | Exception | None]


class SharedEnd:
    """One shared store, reached."""

    def __init__(self, settings: SharedSection, *, life: float) -> None:
        self._settings = settings
        self._store = RedisStore(settings)
        self._memory = life
        """Seconds for which revocations are remembered there."""
        self._taken = GrantTable()
        self._clock = SystemClock()
        self._networks = 0
        self.title = self._store.reach.place
        self.base = 0.0
        self.epoch = ""
        """Made when the store was first used: the same store has the same."""
        self.skew = 0.0
        """How far this host's wall clock is behind."""

    async def open(self, *, write: bool) -> None:
        """Reach it; what is new is made ours when it is written to."""
        store, clock = self._store, self._clock
        self.skew = await measured_offset(store, clock)
        self.base = clock.wall() + self.skew - clock.uptime()
        schema = store.schema(await store.get(store.schema_key))
        if schema is None:
            others = await store.others_keys()
            schema = store.schema(await store.get(store.schema_key))  # a host may be quicker
            if others and schema is None:
                raise SharedStoreError(
                    f"{self.title} has keys under {store.prefix} but no {store.schema_key}: they"
                    " are not poplock's",
                    "shared.prefix",
                )
            if schema is None and not write:
                raise SharedStoreError(f"{self.title} is empty: no poplock has used it yet")
            await store.make_schema(token_hex(8), self._now())
            schema = store.schema(await store.get(store.schema_key))
        if schema is None:
            raise SharedStoreError(f"{self.title} does not keep what it is given")
        self.epoch = schema.epoch
        self._memory = max(self._memory, schema.memory)
        if write:
            await self._store.remember_for(self._memory)

    def _now(self) -> float:
        return self.base + self._clock.uptime()

    async def begin(self) -> None:
        self._networks = 0
        await self._learn()
        async for networks in self._store.networks():
            self._networks += len(networks)

    async def size(self) -> int:
        return self._networks

    async def revocations(self) -> list[Revoked]:
        oldest = self._now() - self._memory
        packed = await self._store.get(self._store.revoked_key)
        return [each for each in self._store.revocations(packed) if each.at > oldest]

    async def chunks(self) -> AsyncIterator[Chunk]:
        taken = await self._learn()
        seen = set[int]()  # SCAN may tell a key twice
        async for networks in self._store.networks():
            new = [network for network in dict.fromkeys(networks) if hash(network) not in seen]
            seen.update(map(hash, new))
            yield self._chunk(await self._store.values(new), taken)

    def _chunk(self, values: Sequence[_Value], taken: GrantTable) -> Chunk:
        now = self._now()
        held: list[Told] = []
        revoked: list[Revoked] = []
        for network, value in values:
            told, of_network = self._read(network, value)
            revoked += of_network
            for each in of_network:
                taken.revoke(each)
            for host, seq, grant in told:
                left = after_revocation(grant, taken.revoked_at(*grant.key))
                if left is None or not left.live_at(now):
                    continue
                if left.last_login <= now + self._settings.max_skew:  # else a clock was wrong
                    held.append(Told(host, seq, left))
        return Chunk(held, revoked, len(values))

    def _read(
        self, network: Network, value: bytes | Exception | None
    ) -> tuple[list[Told], list[Revoked]]:
        if value is None:
            return [], []
        if isinstance(value, Exception):
            raise self._store.reach.explained(value) from value
        try:
            return read_registers(value, network)
        except StoreError as error:
            key = self._store.key(network)
            raise SharedStoreError(f"{key} in {self.title}: {error}", "shared.prefix") from error

    async def revoke(self, revoked: Sequence[Revoked]) -> int:
        known = await self._learn()
        networks = {each.network for each in revoked if each.network and each.source}
        for network, value in await self._store.values(list(networks)):
            for each in self._read(network, value)[1]:
                known.revoke(each)
        oldest = self._now() - self._memory
        new = [each for each in revoked if each.at > oldest and not known.knows(each)]
        _all_kept(await self._store.keep((), new, "", 0.0, self._memory))
        for each in new:
            known.revoke(each)
        return len(new)

    async def keep(self, told: Sequence[Told]) -> int:
        there: dict[tuple[Key, str], float] = {}
        told = [each for each in told if self._counts(each.grant)]
        longest = max((g.expires_at - g.last_login for _, _, g in told), default=0.0)
        if longest > self._memory:
            self._memory = await self._store.remember_for(longest)
        networks = dict.fromkeys(each.grant.network for each in told)
        for network, value in await self._store.values(list(networks)):
            for host, seq, grant in self._read(network, value)[0]:
                there[grant.key, host] = seq
        lacked = [t for t in told if there.get((t.grant.key, t.host), float("-inf")) < t.seq]
        _all_kept(await self._store.keep_told(lacked))
        return len({each.grant.key for each in lacked})

    async def _learn(self) -> GrantTable:
        """What is taken back there now."""
        self._taken = GrantTable()
        for each in await self.revocations():
            self._taken.revoke(each)
        return self._taken

    def _counts(self, grant: Grant) -> bool:
        return after_revocation(grant, self._taken.revoked_at(*grant.key)) is not None

    async def close(self) -> None:
        await self._store.reach.close()


def _all_kept(kept: Mapping[str, SharedStoreError | None]) -> None:
    for refused in filter(None, kept.values()):
        raise refused
