"""poplock's scale of time over reboots and steps."""

from poplock.core.clock import FakeClock, Mark, ahead_of_wall, to_wall


def mark(clock: FakeClock) -> Mark:
    return Mark(clock.boot_id(), clock.uptime(), clock.now())


def test_without_steps_the_scale_is_the_wall_clock() -> None:
    clock = FakeClock(wall=1000.0)
    clock.advance(50)
    assert clock.now() == clock.wall() == 1050.0
    assert ahead_of_wall(clock) == 0.0


def test_a_step_back_leaves_the_scale_ahead_and_stamps_are_translated() -> None:
    clock = FakeClock(wall=10_000.0)
    clock.step(-3600)
    clock.advance(10)
    assert clock.now() == 10_010.0
    assert clock.wall() + ahead_of_wall(clock) == clock.now()
    assert to_wall(clock, clock.now()) == clock.wall()


def test_a_step_forward_counts_as_time_that_passed() -> None:
    clock = FakeClock(wall=10_000.0)
    clock.step(600)
    assert clock.now() == 10_600.0
    clock.step(-600)
    assert clock.now() == 10_600.0


def test_a_new_process_of_the_same_boot_goes_on_by_uptime() -> None:
    clock = FakeClock(wall=10_000.0)
    kept = mark(clock)
    clock.step(-5000)
    clock.advance(100)
    fresh = FakeClock(wall=clock.wall(), uptime=clock.uptime())
    fresh.resume(kept, doubt=86_400)
    assert fresh.now() == 10_100.0


def test_after_a_reboot_the_wall_clock_says_how_long_it_was_off() -> None:
    clock = FakeClock(wall=10_000.0)
    kept = mark(clock)
    clock.reboot(seconds_off=300)
    fresh = FakeClock(wall=clock.wall(), uptime=1.0)
    fresh._boot = clock.boot_id()
    fresh.resume(kept, doubt=86_400)
    assert fresh.now() == 10_300.0


def test_a_reboot_with_a_clock_before_the_last_commit_ends_all_old_grants() -> None:
    kept = Mark("boot-0", 500.0, 10_000.0)
    fresh = FakeClock(wall=0.0, uptime=1.0)
    fresh.resume(kept, doubt=86_400)
    assert fresh.now() == 10_000.0 + 86_400
