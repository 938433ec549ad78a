"""First halves of logins: each serves once, and neither too late nor for somebody else."""

import json

import pytest

from poplock.dialects.pending import LARGEST, LONGEST, MOST, Pending

NOW = 1_800_000_000.0
KEY = (b"popa3d", b"mx", b"12")


def test_a_half_is_taken_once() -> None:
    pending = Pending()
    pending.put(KEY, NOW, b"192.0.2.7", b"x")
    assert pending.peek(KEY, NOW + 1) == (b"192.0.2.7", b"x")
    assert pending.take(KEY, NOW + 1) == (b"192.0.2.7", b"x")
    assert pending.take(KEY, NOW + 1) is None


def test_another_host_or_process_has_no_part_in_it() -> None:
    pending = Pending()
    pending.put(KEY, NOW, b"192.0.2.7")
    assert pending.take((b"popa3d", b"other", b"12"), NOW) is None
    assert pending.take((b"popa3d", b"mx", b"13"), NOW) is None
    assert pending.take((b"other", b"mx", b"12"), NOW) is None
    assert pending.take(KEY, NOW) is not None


def test_a_process_id_that_is_used_again_forgets_the_first_client() -> None:
    pending = Pending()
    pending.put(KEY, NOW, b"192.0.2.7")
    pending.put(KEY, NOW + 60, b"198.51.100.7")
    assert pending.take(KEY, NOW + 61) == (b"198.51.100.7",)


@pytest.mark.parametrize("late", [LONGEST + 1, 1e9, -60.0])
def test_a_half_that_is_too_old_or_from_the_future_is_nothing(late: float) -> None:
    pending = Pending()
    pending.put(KEY, NOW, b"192.0.2.7")
    assert pending.peek(KEY, NOW + late) is None
    assert pending.take(KEY, NOW + late) is None
    assert pending.take(KEY, NOW) is None


def test_it_is_bounded_and_the_oldest_go_first() -> None:
    pending = Pending()
    for i in range(MOST + 10):
        pending.put((b"popa3d", b"mx", b"%d" % i), NOW + i / 1000, b"192.0.2.7")
    assert len(pending) == MOST
    assert pending.take((b"popa3d", b"mx", b"9"), NOW + 10) is None
    assert pending.take((b"popa3d", b"mx", b"10"), NOW + 10) is not None


def test_it_goes_through_json_and_leaves_the_old_ones_behind() -> None:
    pending = Pending()
    pending.put(KEY, NOW - LONGEST - 1, b"192.0.2.1")
    pending.put((b"popa3d", b"mx", b"\xff\x00"), NOW, b"192.0.2.7", b"\xe9")
    other = Pending()
    other.load(json.loads(json.dumps(pending.dump())))
    assert len(other) == 1
    assert other.take((b"popa3d", b"mx", b"\xff\x00"), NOW) == (b"192.0.2.7", b"\xe9")


@pytest.mark.parametrize(
    "rows", [None, 3, "x", [1], [[1]], [["x", [], []]], [[1, [2], []]], [[NOW, ["☃"], ["x"]]], [{}]]
)
def test_what_it_did_not_write_counts_as_nothing(rows: object) -> None:
    pending = Pending()
    pending.load(rows)
    assert len(pending) == 0


def test_a_half_that_is_too_large_is_not_kept_and_neither_is_the_one_before() -> None:
    pending = Pending()
    pending.put(KEY, NOW, b"192.0.2.7")
    pending.put(KEY, NOW, b"x" * LARGEST)
    assert pending.take(KEY, NOW) is None
