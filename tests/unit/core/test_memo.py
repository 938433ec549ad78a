import pytest

from poplock.core.memo import Memo


def test_a_thing_is_found_out_once() -> None:
    asked: list[str] = []

    def find_out(key: str) -> str:
        asked.append(key)
        return key.upper()

    memo = Memo(find_out, 2)
    assert [memo[key] for key in "aba"] == ["A", "B", "A"]
    assert asked == ["a", "b"]


def test_never_more_than_that_many_are_remembered() -> None:
    memo = Memo(str, 3)
    for number in range(100):
        assert memo[number] == str(number)
        assert 1 <= len(memo) <= 3


def test_what_fails_is_not_remembered() -> None:
    memo = Memo(int, 3)
    for _ in range(2):
        with pytest.raises(ValueError):
            memo["x"]
    assert not memo
