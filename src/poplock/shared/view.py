"""What this host remembers of the shared store: networks that were asked for, with their rights.

It holds rights and never the lack of one: who isn't found here is asked for in the store, so that
a login on another host counts at once. What is remembered is dropped when the store says that it
was changed.
"""

from collections.abc import Iterable
from enum import Enum, auto

from ..core.addresses import Network
from ..core.grants import Grant, Key, Revoked, after_revocation
from ..core.table import Change, GrantTable
from ..stores.document import Document


class Hold(Enum):
    """What a host remembers of the store, by what it is asked."""

    NOTHING = auto()
    """It only has sources: it needn't hear of every login on every host."""
    ASKED = auto()
    """MTAs ask: whoever was asked for and has a right."""
    EVERYTHING = auto()
    """MTAs read maps by themselves: all rights."""


class View:
    """Rights of the networks that were asked for; the store's, after all known revocations."""

    def __init__(self, revoked: GrantTable, max_skew: float) -> None:
        """`revoked`: this host's own table, which knows every revocation."""
        self.table = GrantTable()
        self._revoked = revoked
        self._max_skew = max_skew

    def rights(self, document: Document, now: float) -> list[Grant]:
        """What holds at `now` by a document, after all revocations.

        A login that lies in the future by more than clocks may differ earns nothing yet.
        """
        held = []
        for told in document.grants:
            at = self._revoked.revoked_at(*told.key)
            for revoked in document.revoked:
                if revoked.user in (None, told.user) and revoked.source in (None, told.source):
                    at = max(at, revoked.at)
            grant = after_revocation(told, at)
            if grant is None or grant.last_login > now + self._max_skew:
                continue
            if grant.live_at(now):
                held.append(grant)
        return held

    def remember(self, network: Network, grants: Iterable[Grant]) -> list[Change]:
        """Hold exactly these of a network; what changes by it."""
        changes: dict[Key, Change] = {}
        for held in self.table.find(network):
            self.table.drop(held)
            changes[held.key] = Change(held.key, None)
        for grant in grants:
            change = self.table.give(grant)
            if change is not None:
                changes[change.key] = change
        return list(changes.values())

    def drop(self, network: Network) -> list[Change]:
        """Forget a network that was changed."""
        return self.remember(network, ())

    def clear(self) -> GrantTable:
        """Forget everything: changes may have been missed. Returns the new table."""
        self.table = GrantTable()
        return self.table

    def revoke(self, revoked: Revoked) -> list[Change]:
        """Take back at once what is remembered; the own table has learnt of it already."""
        changes = []
        for held in self.table.matching(revoked.network, revoked.user, revoked.source):
            left = after_revocation(held, revoked.at)
            if left is not held:
                others = [g for g in self.table.find(held.network) if g is not held]
                left_over = others if left is None else [*others, left]
                changes += self.remember(held.network, left_over)
        return changes
