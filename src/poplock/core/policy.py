"""Which events earn a right, and until when. Pure: the time comes in as an argument."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from ipaddress import IPv4Address

from .addresses import IPAddress, Network, NetworkSet, client_in, network_of
from .events import Event, Failure, Login, Reset
from .grants import Ended, Grant, Revoked, Session

NEVER = (
    "0.0.0.0/8",  # unspecified, "this network" (RFC 6890)
    "127.0.0.0/8",  # loopback: webmail and local programs log in from there
    "169.254.0.0/16",  # link-local
    "224.0.0.0/4",  # multicast
    "100.64.0.0/10",  # shared address space (RFC 6598): a carrier's NAT hides thousands
    "::/128",
    "::1/128",
    "fe80::/10",
    "ff00::/8",
)
"""Networks that never earn a grant, unless `policy.never` says otherwise."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """Nothing changes; `why` is for people."""

    why: str


Decision = Grant | Ended | Revoked | Reset | Ignore
"""What a login earns, for whoever keeps grants to merge; what is over: a session, what an address
that was given back had earned, a server's sessions all at once; or nothing."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator decided (configuration: `[policy]`, and of a source what differs there).

    Times in seconds.
    """

    window: float = 3600.0
    max_session: float = 86_400.0
    ipv6_prefix: int = 64
    never: NetworkSet = field(default_factory=NetworkSet)
    services: frozenset[str] = frozenset({"pop3", "imap"})
    ends: bool = True
    """Whether an address that is given back, or a server that starts anew, ends grants."""
    require_tls: bool = False
    allow_users: tuple[str, ...] = ()
    deny_users: tuple[str, ...] = ()


class Policy:
    """Turns events into decisions by the operator's rules, and those of the event's source."""

    def __init__(
        self,
        rules: Rules,
        own: NetworkSet | None = None,
        sources: Mapping[str, Rules] | None = None,
    ) -> None:
        self.rules = rules
        self.set_own_addresses(own or NetworkSet())
        self._sources = dict(sources or {})
        every = (rules, *self._sources.values())
        self.longest_life = max(r.max_session + r.window for r in every)
        """Seconds after a login within which whatever it earned is over."""
        # The last login's time and what follows from it: logs have many logins of one second, and
        # their grants then share these numbers.
        self._at = self._until = self._limit = 0.0
        self._by = rules

    def set_own_addresses(self, own: NetworkSet) -> None:
        """The host's own addresses: webmail and local programs, never a roaming user."""
        self._closed = NetworkSet((*self.rules.never.networks, *own.networks))

    def decide(self, event: Event, now: float) -> Decision:
        """What `event` changes. Its time is on the same scale as `now`."""
        if isinstance(event, Login):
            return self._login(event, now)
        if isinstance(event, Failure):
            return Ignore("the login was refused")
        rules = self.rules_of(event.source)
        if isinstance(event, Reset):
            return event if rules.ends else Ignore("its source may not end grants (ends)")
        at = min(event.time, now)
        if event.released and rules.ends and event.ip is not None:
            return Revoked(network_of(event.ip, rules.ipv6_prefix), event.user, at, event.source)
        if event.session is None:
            return Ignore("the server names no session for this logout")
        released = event.released and rules.ends
        return Ended(event.session, event.source, at, rules.window, released)

    def rules_of(self, source: str) -> Rules:
        """What holds for events of this source."""
        return self._sources.get(source, self.rules)

    def _login(self, event: Login, now: float) -> Decision:
        rules = self._sources.get(event.source, self.rules)
        at = event.time if event.time <= now else now
        if at != self._at or rules is not self._by:
            self._at, self._until, self._limit = at, at + rules.window, at + rules.max_session
            self._by = rules
        at, until, limit = self._at, self._until, self._limit
        if until <= now and (event.session is None or limit <= now):
            return Ignore("the login is older than the window")
        user = event.user
        if not user:
            return Ignore("the server told only part of the user's name, or none")
        why = _refused(rules, event, user)
        if why is not None:
            return Ignore(why)
        place = self._place(event.ip)
        if isinstance(place, str):
            return Ignore(place)
        network, client = place
        if event.since is not None:
            at = min(event.since, at)
        sessions = () if event.session is None else (Session(event.session, at, limit),)
        return Grant(network, user, event.source, client, at, at, until, (), sessions)

    def _place(self, ip: IPAddress) -> tuple[Network, str | None] | str:
        """The network a login opens and the client in it, or why it opens none."""
        if ip in self._closed:
            never = self.rules.never.find(ip)
            if never is not None:
                return f"{ip} is in {never}, which never earns a grant (policy.never)"
            return f"{ip} is this host's own address"
        network = network_of(ip, self.rules.ipv6_prefix)
        return network, None if isinstance(ip, IPv4Address) else client_in(network, str(ip))

    def why_never(self, ip: IPAddress) -> str | None:
        """Why no login from `ip` can earn a grant; None where one can."""
        place = self._place(ip)
        return place if isinstance(place, str) else None


def _refused(rules: Rules, event: Login, user: str) -> str | None:
    """Why this login earns nothing, whatever address it came from."""
    if event.service not in rules.services:
        return f"service {event.service} earns no grant here (services)"
    if rules.require_tls and event.tls is not True:
        return "the login was not seen to use TLS (policy.require_tls)"
    if rules.deny_users and _matches(user, rules.deny_users):
        return f"user {user} is denied (policy.deny_users)"
    if rules.allow_users and not _matches(user, rules.allow_users):
        return f"user {user} is not among policy.allow_users"
    return None


def _matches(user: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(user, pattern) for pattern in patterns)
