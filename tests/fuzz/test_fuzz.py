"""A bounded part of every harness; `scripts/fuzz` does the long run."""

from random import Random

import pytest

from . import HARNESSES


@pytest.mark.parametrize("name", HARNESSES)
def test_a_harness_finds_nothing(name: str) -> None:
    HARNESSES[name](Random(f"1 {name}"), 5000)
