"""What postmap(1) of Postfix makes of the maps that poplock writes."""

from pathlib import Path

import pytest

from testbed.roots import TestbedError
from tests.matrix.measure import ADDRESS, ADDRESS6, NEIGHBOUR, bench
from tests.matrix.routes.postfix import ROUTES


@pytest.mark.parametrize("kind", ["cdb", "lmdb"])
def test_postmap_reads_them(kind: str, release: str, tmp_path: Path) -> None:
    (route,) = [r for r in ROUTES if r.name == f"Postfix, {kind}"]
    with bench(route, release, tmp_path) as b:
        for address in (ADDRESS, ADDRESS6):
            b.poplock.run("grant", address, "--user", "ann")
        table = f"{kind}:{b.maps}/relay"
        assert b.host.run(["postmap", "-q", ADDRESS, table]) == "OK\n"
        assert b.host.run(["postmap", "-q", ADDRESS6, table]) == "OK\n"
        with pytest.raises(TestbedError, match="status 1"):
            b.host.run(["postmap", "-q", NEIGHBOUR, table])
        if kind == "cdb":
            return  # Postfix's cdb has no listing
        listed = b.host.run(["postmap", "-s", table]).splitlines()
        assert {line.split("\t")[0] for line in listed} == {ADDRESS, ADDRESS6}
