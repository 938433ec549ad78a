"""Maps follow the table: also while the whole of it is being taken over, in another thread."""

import asyncio
import threading
from collections.abc import Iterable
from pathlib import Path

from poplock.authorizer import Authorizer
from poplock.core.addresses import Network
from poplock.core.clock import FakeClock
from poplock.core.grants import Grant
from poplock.maps.lease import Lease
from poplock.publisher import Publisher
from tests.conftest import login


class SlowMap:
    """A map in memory, whose taking over lasts until it is told to go on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.go_on.set()
        self.busy = threading.Event()
        self.held: dict[Network, Grant] = {}
        self.published: set[Network] = set()

    def replace_all(self, grants: Iterable[Grant]) -> None:
        self.busy.set()
        assert self.go_on.wait(10)
        self.held = {grant.network: grant for grant in grants}

    def update(self, changed: Iterable[tuple[Network, Grant | None]]) -> None:
        for network, grant in changed:
            self.held.pop(network, None)
            if grant is not None:
                self.held[network] = grant

    def renew(self) -> None: ...

    def publish(self) -> None:
        self.published = set(self.held)

    def clear(self) -> None:
        self.published = set()


def test_a_change_while_the_table_is_taken_over_is_kept_and_holds_nobody_up(
    authorizer: Authorizer, clock: FakeClock, tmp_path: Path
) -> None:
    async def main() -> None:
        map_ = SlowMap()
        lease = Lease(str(tmp_path / "map"), 300, clock)
        publisher = Publisher(authorizer, map_, lease, "map")
        authorizer.record([login(clock.wall(), ip="192.0.2.1"), login(clock.wall(), "192.0.2.2")])
        await publisher.start()
        assert map_.published == {"192.0.2.1/32", "192.0.2.2/32"}
        running = asyncio.create_task(publisher.run())
        map_.go_on.clear()
        map_.busy.clear()
        rewriting = asyncio.create_task(publisher.rewrite())
        while not map_.busy.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0)
        authorizer.record([login(clock.wall(), ip="192.0.2.3")])  # the loop isn't held up
        authorizer.revoke(Network("192.0.2.1/32"), None)
        map_.go_on.set()
        await rewriting
        assert map_.published == {"192.0.2.2/32", "192.0.2.3/32"}
        running.cancel()
        await publisher.close()

    asyncio.run(main())


def test_trouble_that_begins_and_ends_while_the_table_is_taken_over(
    authorizer: Authorizer, clock: FakeClock, tmp_path: Path
) -> None:
    async def main() -> None:
        map_ = SlowMap()
        publisher = Publisher(authorizer, map_, Lease(str(tmp_path / "map"), 300, clock), "map")
        await publisher.start()
        running = asyncio.create_task(publisher.run())
        map_.go_on.clear()
        map_.busy.clear()
        authorizer.trouble = "disk full"
        while not map_.busy.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0)
        authorizer.record([login(clock.wall(), ip="192.0.2.1")])
        authorizer.trouble = None
        map_.go_on.set()
        await publisher.shown()
        assert map_.published == {"192.0.2.1/32"}
        running.cancel()
        await publisher.close()

    asyncio.run(main())
