"""The scale of time that hosts share."""

import pytest

from poplock.core.clock import FakeClock, Mark, ahead_of_wall
from poplock.shared.time import CommonTime
from poplock.stores.tracking import Beat

TRUE = 1_800_000_000.0


def host(wrong_by: float) -> tuple[FakeClock, CommonTime]:
    clock = FakeClock(wall=TRUE + wrong_by)
    return clock, CommonTime(clock, max_skew=5.0)


@pytest.mark.parametrize("wrong_by", [-3600.0, -1.0, 0.0, 1.0, 3600.0])
def test_a_host_whose_clock_is_wrong_goes_by_the_stores(wrong_by: float) -> None:
    clock, time = host(wrong_by)
    time.follow(-wrong_by)
    assert clock.now() == pytest.approx(TRUE)
    clock.advance(60)
    assert clock.now() == pytest.approx(TRUE + 60)


def test_what_the_host_stamped_is_put_on_the_common_scale() -> None:
    clock, time = host(3600.0)
    time.follow(-3600.0)
    assert clock.wall() + ahead_of_wall(clock) == pytest.approx(TRUE)


def test_the_quickest_heartbeat_tells_the_time() -> None:
    clock, time = host(0.0)
    time.beat(Beat(sent=0.0, took=0.4, store_time=TRUE + 0.1))  # slow: give or take 0.2
    time.beat(Beat(sent=1.0, took=0.002, store_time=TRUE + 0.05))
    time.beat(Beat(sent=2.0, took=0.4, store_time=TRUE - 0.15))
    assert time.offset == pytest.approx(0.051, abs=1e-4)
    assert clock.now() >= TRUE


def test_it_complains_beyond_what_clocks_may_differ_and_stops_when_they_agree() -> None:
    _, time = host(0.0)
    time.follow(-4.0)
    assert time.trouble is None
    time.follow(-6.0)
    assert time.trouble is not None and "6 s ahead of" in time.trouble
    time.follow(90.0)
    assert time.trouble is not None and "90 s behind" in time.trouble
    time.follow(0.0)
    assert time.trouble is None


def test_a_store_whose_clock_steps_back_lengthens_no_grant() -> None:
    clock, time = host(0.0)
    time.follow(0.0)
    clock.advance(100)
    before = clock.now()
    time.follow(-3600.0)
    clock.advance(1)
    assert clock.now() >= before


def test_a_store_whose_clock_steps_forward_takes_the_host_with_it() -> None:
    clock, time = host(0.0)
    time.follow(0.0)
    time.follow(600.0)
    assert clock.now() == pytest.approx(TRUE + 600)


def test_what_a_fast_oscillator_gains_is_given_back_slowly() -> None:
    clock, time = host(0.0)
    time.follow(0.0)
    for second in range(1, 3001):
        before = clock.now()
        clock.advance(1.0001)  # 100 parts in a million too fast
        time.follow(-0.0001 * second)
        assert clock.now() > before
    true = TRUE + 3000
    assert clock.now() == pytest.approx(true, abs=0.01)


def test_a_scale_that_was_ahead_is_gone_on_with() -> None:
    clock, time = host(3600.0)
    time.follow(-3600.0)
    clock.resume(Mark(clock.boot_id(), clock.uptime() - 10, TRUE + 20), doubt=90_000)
    assert clock.now() == pytest.approx(TRUE + 30)
