"""The passes of a copy."""

from dataclasses import dataclass
from typing import Protocol

from .end import End, apart, moved, revoked_at

_MOST_PASSES = 5
"""While logins go on, each pass finds what came during the one before; the last may be short."""


class Watch(Protocol):
    """Who shows how far it is."""

    def begin(self, doing: str, steps: int) -> None: ...

    def advance(self, steps: int, grants: int) -> None: ...


@dataclass(slots=True)
class Outcome:
    """What a copy came to. Of `grants` and `revocations`, TO has all but `late`."""

    grants: int = 0
    """Live in FROM, as the last pass saw it."""
    revocations: int = 0
    copied: int = 0
    revoked: int = 0
    late: int = 0
    """What the last pass still had to give: it came while that went on."""
    there: int = 0
    """Live in TO in the end."""
    apart: float = 0.0
    """Seconds by which the times were moved."""


@dataclass(slots=True)
class _Pass:
    grants: int = 0
    lacked: int = 0
    revoked: int = 0


async def copy(source: End, target: End, watch: Watch) -> Outcome:
    """Give `target` all that is live in `source`, and see that it has it."""
    outcome = Outcome(apart=apart(source, target))
    for doing in ["copying", *["verifying"] * (_MOST_PASSES - 1)]:
        await source.begin()
        await target.begin()
        watch.begin(doing, await source.size())
        seen = await _once(source, target, outcome.apart, watch)
        outcome.grants = seen.grants
        outcome.copied += seen.lacked
        outcome.revoked += seen.revoked
        outcome.late = seen.lacked + seen.revoked
        if not outcome.late:
            break
    outcome.revocations = len(await source.revocations())
    await target.begin()
    watch.begin("counting", await target.size())
    async for chunk in target.chunks():
        grants = len({told.grant.key for told in chunk.told})
        outcome.there += grants
        watch.advance(chunk.steps, grants)
    return outcome


async def _once(source: End, target: End, by: float, watch: Watch) -> _Pass:
    seen = _Pass()
    seen.revoked = await target.revoke(revoked_at(await source.revocations(), by))
    async for chunk in source.chunks():
        if chunk.revoked:
            seen.revoked += await target.revoke(revoked_at(chunk.revoked, by))
        told = [moved(each, by) for each in chunk.told] if by else chunk.told
        grants = len({each.grant.key for each in told})
        seen.grants += grants
        seen.lacked += await target.keep(told)
        watch.advance(chunk.steps, grants)
    # What was taken back while its grant was on the way here.
    seen.revoked += await target.revoke(revoked_at(await source.revocations(), by))
    return seen
