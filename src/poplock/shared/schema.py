"""Whose the keys in the store are, and whether it still is the one we know.

A store says when and by whose hand it was made, with an epoch that no other has. Without that, or
with another epoch, it was emptied or is a new one: it is told all we know again, and for
`max_staleness` after its making "no grant" is no answer. What must be known to start while the
store is out of reach stands in this host's own file, as the position of a source does.
"""

from contextlib import suppress
from secrets import token_hex

import msgspec

from ..authorizer import Authorizer
from ..scales import FOLLOWED
from ..stores.reaching import SharedStoreError
from ..stores.redis import RedisStore
from .links import Links
from .telling import Teller
from .time import CommonTime


class Known(msgspec.Struct):
    """What a host remembers of the store while that is out of reach."""

    epoch: str
    offset: float
    memory: float = 0.0


class Schema:
    """The store's identity, compared with the one we know."""

    def __init__(
        self,
        authorizer: Authorizer,
        store: RedisStore,
        links: Links,
        time: CommonTime,
        teller: Teller,
        staleness: float,
    ) -> None:
        self._authorizer = authorizer
        self._store = store
        self._links = links
        self._time = time
        self._teller = teller
        self._staleness = staleness
        self._position = ""
        self.known: Known | None = None
        """None until the store was met for the first time."""

    def recall(self, position: str | None) -> None:
        """Take back what `note` kept; anything else counts as nothing."""
        if position is not None:
            with suppress(msgspec.MsgspecError):
                self.known = msgspec.json.decode(position, type=Known)
                self._authorizer.remember_for(self.known.memory)

    async def check(self, store_time: float, text: bytes | None) -> None:
        """Read what stands there, at this time of the store; an empty store becomes ours."""
        store = self._store
        schema = store.schema(text)
        if schema is None:
            others = self.known is None and await store.others_keys()
            # Another host may have made it just now.
            schema = store.schema(await store.get(store.schema_key)) if others else None
        if schema is None:
            if others:
                raise SharedStoreError(
                    f"{store.reach.place} has keys under {store.prefix} but no {store.schema_key}:"
                    " they are another program's, or the engine evicts keys (maxmemory-policy"
                    " must be noeviction)",
                    "shared.prefix",
                )
            await store.make_schema(token_hex(8), store_time)
            schema = store.schema(await store.get(store.schema_key))
        if schema is None:
            raise SharedStoreError(f"{store.reach.place} does not keep what it is given")
        if self.known is None or self.known.epoch != schema.epoch:
            self.known = Known(schema.epoch, self._time.offset)
            self._teller.tell_all()
        self._authorizer.remember_for(schema.memory)
        self._teller.memory = schema.memory
        age = store_time - schema.made
        if 0 <= age < self._staleness:
            self._links.settle(self._staleness - age)

    def note(self) -> None:
        """Keep what must be known to start without the store."""
        if self.known is None:
            return
        self.known.offset = round(self._time.offset, 1)
        self.known.memory = self._authorizer.memory
        position = msgspec.json.encode(self.known).decode()
        if position != self._position:
            self._position = position
            self._authorizer.pending.positions[FOLLOWED] = position
            self._authorizer.wake()
