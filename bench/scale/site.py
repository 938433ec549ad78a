"""What is assumed of the site, and what one operation costs: the two inputs of the model.

`Site` is assumption: who logs in how often, from what networks, how mail is sent. `Costs` is
measured (`measure.py`), but for the network, which is assumed. Nothing else goes into the figures.

All times are seconds, all sizes bytes.
"""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Client:
    """A way of reading mail: the share of mailboxes that has it, and how often it logs in."""

    share: float
    period: float  # between two logins while it is on
    on: float  # share of them that is on at the peak
    session: bool = False  # stays logged in, so its grant lasts as long as it is on


@dataclass(frozen=True)
class Access:
    """A way to the Internet: the share of mailboxes behind it, and how many share an address."""

    share: float
    median: float  # mailboxes behind one address
    spread: float  # sigma of the logarithm; 0: each address has exactly the median
    most: int = 1


@dataclass(frozen=True)
class Site:
    """Ten million mailboxes at their busiest minute, unless scaled down."""

    mailboxes: int = 10_000_000
    logins: float = 5_000.0  # a second at the peak; `on` of the clients is scaled to give it
    pop_hosts: int = 20
    smtp_hosts: int = 30
    shards: int = 3
    window: float = 3600.0
    sticky: bool = True  # the balancer leads a client address to the same POP host each time
    clients: dict[str, Client] = field(
        default_factory=lambda: {
            "phone": Client(0.35, 900, 0.55),
            "desktop": Client(0.25, 450, 0.50),
            "open session": Client(0.15, 7200, 0.50, session=True),
            "now and then": Client(0.25, 36_000, 0.90),
        }
    )
    access: dict[str, Access] = field(
        default_factory=lambda: {
            "own address or /64": Access(0.25, 1, 0),
            "household": Access(0.57, 2, 0.5, 12),
            "company": Access(0.10, 12, 1.2, 2_000),
            "carrier's NAT": Access(0.08, 120, 1.0, 4_000),
        }
    )
    day: tuple[float, ...] = (  # load by the hour, of the peak's
        *(0.22, 0.17, 0.15, 0.14, 0.15, 0.20, 0.35, 0.60, 0.85, 0.97, 1.00, 0.98),
        *(0.93, 0.95, 0.97, 0.95, 0.90, 0.85, 0.78, 0.74, 0.70, 0.60, 0.45, 0.32),
    )
    mails: float = 1.2  # an hour by a mailbox that is on, at the peak
    mail_spread: float = 1.5  # sigma of the logarithm: few send most
    after_login: float = 0.4  # share of the mails that are sent within seconds after a login
    recipients: float = 1.6  # questions a mail, all on one connection
    strangers: float = 2_000.0  # relay attempts a second of clients without a grant, all hosts
    failover: float = 7.0  # from a master's death until its replica takes writes
    staleness: float = 10.0  # max_staleness

    def scaled(self, by: float, **changes: int | float | bool) -> "Site":
        """The same people, fewer of them."""
        fewer = {
            "mailboxes": round(self.mailboxes * by),
            "logins": self.logins * by,
            "strangers": self.strangers * by,
        }
        return replace(self, **(fewer | changes))


@dataclass(frozen=True)
class Costs:
    """Service times in CPU seconds, sizes in bytes; `measure.py` says how each was measured.

    Redis and an asyncio process both work in turns: whatever has arrived is taken together, then
    written. So each has a cost for the turn and one for each thing in it.
    """

    # A shard of the store.
    shard_idle: float = 2e-3  # a second, with nothing to do
    shard_turn: float = 12e-6  # one turn of the loop, one client read and answered
    shard_client: float = 6e-6  # each further client that is read and answered in the turn
    shard_script: float = 8e-6  # `keep` into a network of one grant
    shard_script_each: float = 1.3e-6  # more for each further grant of the network
    shard_get: float = 0.5e-6  # one key of an MGET
    shard_get_each: float = 0.1e-6
    shard_push: float = 4e-6  # to each host that follows, in a turn with writes
    # A POP host.
    log: float = 250e-6  # until the line is read and counts, all in all
    reading: float = 150e-6  # CPU to read it, and to keep it on this host's disk
    login: float = 60e-6  # from the event to the store's client
    login_turn: float = 100e-6
    # An SMTP host.
    host_idle: float = 2e-3  # a second, heartbeats included
    smtp_turn: float = 10e-6
    question: float = 6e-6
    flight: float = 150e-6  # one asking of the store, by one reply
    miss: float = 15e-6  # each network in it
    push: float = 100e-6  # one message of what has changed
    drop: float = 3e-6  # each network in it
    # The network.
    hop: float = 100e-6  # one way, within the data centre
    # Sizes.
    key_bytes: float = 100.0  # in the store, for a network, without its grants
    grant_bytes: float = 130.0  # in the store, each
    view_bytes: float = 700.0  # in a host's view, each network
    script_wire: float = 330.0  # request and reply of one `keep`
    get_wire: float = 60.0  # request and reply of one key, without its grants
    get_wire_each: float = 130.0
    push_wire: float = 45.0  # a network named in a push
    packet: float = 66.0  # headers of Ethernet, IP and TCP
