"""What is remembered of clients as MTAs spell them: their network, and whose grant they use."""

from dataclasses import dataclass
from functools import partial

from .core.addresses import LONGEST_ADDRESS, Network, client_network
from .core.answers import NoOpinion
from .core.grants import Grant
from .core.memo import Memo

_MOST = 20_000  # about 400 bytes each


@dataclass(slots=True)
class Place:
    """A client as an MTA spelt it."""

    client: str
    network: Network | None
    """None for what is no address."""
    no_opinion: NoOpinion
    """What is answered while it has no grant."""
    use: "Use | None" = None


@dataclass(slots=True)
class Use:
    """How often a client was permitted by a grant since the last look."""

    place: Place
    grant: Grant
    count: int = 0


class Places(Memo[str, Place]):
    """All of them. Each text has a place, which is made when it is first looked up."""

    __slots__ = ()  # faster: `get` can't be shadowed then

    def __init__(self, ipv6_prefix: int) -> None:
        super().__init__(partial(_place, ipv6_prefix), _MOST)

    def __missing__(self, client: str) -> Place:
        if len(client) > LONGEST_ADDRESS:  # no address, and maybe very long: not remembered
            return self.find_out(client)
        return super().__missing__(client)


def _place(ipv6_prefix: int, client: str) -> Place:
    network: Network | None
    try:
        network = client_network(client, ipv6_prefix)
        why = f"no grant for {network}"
    except ValueError:
        network, why = None, f"{client[:64]!r} is not an address"
    return Place(client, network, NoOpinion(why))
