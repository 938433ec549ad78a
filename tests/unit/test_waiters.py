"""Who is told that a round of work is done, and what of one that failed."""

import asyncio
from collections.abc import Coroutine

import pytest

from poplock.core.errors import ConfigError
from poplock.waiters import Waiters


def run(test: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 10))


async def waiting(waiters: Waiters, count: int) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(waiters.done()) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


def test_who_comes_while_a_round_is_under_way_waits_for_the_next() -> None:
    async def test() -> None:
        wanted = asyncio.Event()
        waiters = Waiters(wanted)
        first = await waiting(waiters, 2)
        assert wanted.is_set()
        with waiters.round():
            (late,) = await waiting(waiters, 1)
        await asyncio.gather(*first)
        await asyncio.sleep(0)
        assert not late.done()
        with waiters.round():
            pass
        await late

    run(test())


def test_a_failure_is_told_to_each_whole_and_goes_on() -> None:
    async def test() -> None:
        waiters = Waiters(asyncio.Event())
        tasks = await waiting(waiters, 2)
        with pytest.raises(ConfigError), waiters.round():
            raise ConfigError("no disk", "store.path")
        one, other = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(one, ConfigError) and isinstance(other, ConfigError)
        assert (str(one), one.where) == (str(other), other.where) == ("no disk", "store.path")
        assert one is not other

    run(test())


def test_a_bug_in_the_work_lets_nobody_wait_for_ever() -> None:
    async def test() -> None:
        waiters = Waiters(asyncio.Event())
        tasks = await waiting(waiters, 2)
        with pytest.raises(ZeroDivisionError), waiters.round():
            raise ZeroDivisionError
        told = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in told] == [ZeroDivisionError] * 2

    run(test())


@pytest.mark.parametrize("fails", [False, True])
def test_who_has_gone_disturbs_nobody(fails: bool) -> None:
    async def test() -> None:
        waiters = Waiters(asyncio.Event())
        gone, stays = await waiting(waiters, 2)
        gone.cancel()
        await asyncio.sleep(0)
        try:
            with waiters.round():
                if fails:
                    raise ConfigError("no disk")
        except ConfigError:
            assert fails
        (how,) = await asyncio.gather(stays, return_exceptions=True)
        assert isinstance(how, ConfigError) is fails

    run(test())
