"""The laws of keeping grants, over memory and SQLite; tests/servers has Redis and Valkey.

Memory is what every host answers from; there is no store in memory besides, because nobody has a
use for one.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.hosts import contract, stateful
from tests.hosts.members import Site


class TestMemory(contract.Contract):
    @pytest.fixture
    def site(self) -> Iterator[Site]:
        with Site(None, ["host"]) as site:
            yield site


class TestSqlite(contract.Lasting):
    @pytest.fixture
    def site(self, tmp_path: Path) -> Iterator[Site]:
        with Site(tmp_path, ["host"]) as site:
            yield site


class InMemory(stateful.Machine):
    make = staticmethod(lambda: Site(None, ["host"]))


def test_memory_is_as_the_model_says() -> None:
    run_state_machine_as_test(InMemory, settings=settings(max_examples=60, stateful_step_count=40))


def test_sqlite_is_as_the_model_says(tmp_path: Path) -> None:
    class InSqlite(stateful.Machine):
        make = staticmethod(lambda: Site(Path(mkdtemp(dir=tmp_path)), ["host"]))

    run_state_machine_as_test(InSqlite, settings=settings(max_examples=30, stateful_step_count=30))
