"""Each route of each MTA in each state of poplock, against what the contract promises."""

from pathlib import Path

import pytest

from testbed.roots import RELEASES
from tests.matrix.measure import bench, measure, unwell, wrong
from tests.matrix.route import Route
from tests.matrix.routes import ROUTES


@pytest.mark.parametrize(
    ("route", "release"),
    [
        pytest.param(route, release, id=f"{route.name}-{release}")
        for route in ROUTES
        for release in RELEASES
        if release in route.releases
    ],
)
def test_who_may_relay_in_each_state(route: Route, release: str, tmp_path: Path) -> None:
    with bench(route, release, tmp_path) as running:
        assert unwell(running) == []
        row = measure(running)
    assert wrong(route, row) == [], {state: str(cell) for state, cell in row.items()}
