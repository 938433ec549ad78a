"""Which events earn a right, and until when. Pure: the time comes in as an argument."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from .addresses import IPAddress, Network, NetworkSet, client_in, network_of
from .events import Event, Failure, Login
from .grants import Ended, Grant, Session

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


Decision = Grant | Ended | Ignore
"""What a login earns, for whoever keeps grants to merge; that a session is over; or neither."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator decided (configuration: `[policy]`). Times in seconds."""

    window: float = 3600.0
    max_session: float = 86_400.0
    ipv6_prefix: int = 64
    never: NetworkSet = field(default_factory=NetworkSet)
    services: frozenset[str] = frozenset({"pop3", "imap"})
    require_tls: bool = False
    allow_users: tuple[str, ...] = ()
    deny_users: tuple[str, ...] = ()


class Policy:
    """Turns events into decisions by the operator's rules."""

    def __init__(self, rules: Rules, own: NetworkSet | None = None) -> None:
        self.rules = rules
        self._own = own or NetworkSet()
        # The last login's time and what follows from it: logs have many logins of one second, and
        # their grants then share these numbers.
        self._at = self._until = self._limit = 0.0

    def set_own_addresses(self, own: NetworkSet) -> None:
        """The host's own addresses: webmail and local programs, never a roaming user."""
        self._own = own

    def decide(self, event: Event, now: float) -> Decision:
        """What `event` changes. Its time is on the same scale as `now`."""
        if isinstance(event, Login):
            return self._login(event, now)
        if isinstance(event, Failure):
            return Ignore("the login was refused")
        if event.session is None:
            return Ignore("the server names no session for this logout")
        at = min(event.time, now)
        return Ended(event.session, event.source, at, self.rules.window)

    def _login(self, event: Login, now: float) -> Decision:
        rules = self.rules
        at = event.time if event.time <= now else now
        if at != self._at:
            self._at, self._until, self._limit = at, at + rules.window, at + rules.max_session
        at, until, limit = self._at, self._until, self._limit
        if until <= now and (event.session is None or limit <= now):
            return Ignore("the login is older than the window")
        user = event.user
        if not user:
            return Ignore("the server told only part of the user's name, or none")
        why = self._refused(event, user)
        if why is not None:
            return Ignore(why)
        place = self._place(event.ip)
        if isinstance(place, str):
            return Ignore(place)
        network, client = place
        sessions = () if event.session is None else (Session(event.session, at, limit),)
        return Grant(network, user, event.source, client, at, at, until, (), sessions)

    def _refused(self, event: Login, user: str) -> str | None:
        rules = self.rules
        if event.service not in rules.services:
            return f"service {event.service} earns no grant here (policy.services)"
        if rules.require_tls and event.tls is not True:
            return "the login was not seen to use TLS (policy.require_tls)"
        if rules.deny_users and _matches(user, rules.deny_users):
            return f"user {user} is denied (policy.deny_users)"
        if rules.allow_users and not _matches(user, rules.allow_users):
            return f"user {user} is not among policy.allow_users"
        return None

    def _place(self, ip: IPAddress) -> tuple[Network, str | None] | str:
        """The network a login opens and the client in it, or why it opens none."""
        never = self.rules.never.find(ip)
        if never is not None:
            return f"{ip} is in {never}, which never earns a grant (policy.never)"
        if self._own.find(ip) is not None:
            return f"{ip} is this host's own address"
        network = network_of(ip, self.rules.ipv6_prefix)
        return network, None if ip.version == 4 else client_in(network, str(ip))

    def why_never(self, ip: IPAddress) -> str | None:
        """Why no login from `ip` can earn a grant; None where one can."""
        place = self._place(ip)
        return place if isinstance(place, str) else None


def _matches(user: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(user, pattern) for pattern in patterns)
