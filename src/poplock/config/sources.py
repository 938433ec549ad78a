"""`[[source]]`: where logins are learnt. A struct for each type.

What every source has stands in `SourceSettings`; what a source differs in from `[policy]` becomes
`Rules` of its own. To add a type: a struct here, in `SourceTypes` too, and a row in
`sources.SOURCES`.
"""

import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from msgspec import Struct

from ..core.addresses import NetworkSet
from ..core.policy import Rules
from ..dialects import DIALECTS, UNNAMED, USUAL
from ..sources.peer_files import read_allow
from .complaint import Complaint, absolute, octal
from .duration import Duration
from .listen import LOOPBACK, Kind, Listen, Tls, networks

FORGEABLE = {
    "/opt/zimbra/log/mailbox.log": "read audit.log",
    "/opt/zimbra/log/nginx.log": "have nginx log to syslog",
    "/var/log/nginx/error.log": "have nginx log to syslog",
}
"""Logs whose servers write what a client sent with its newlines: a line there proves nothing, in
whatever dialect."""

_NO_DIALECT = "no dialect: no line could be a login"


class SourceSettings(
    Struct, tag_field="type", forbid_unknown_fields=True, kw_only=True, frozen=True
):
    """What every source has. `None` is what `[policy]` says."""

    name: str = ""
    window: Duration | None = None
    services: tuple[str, ...] | None = None
    ends: bool = True

    @property
    def title(self) -> str:
        """What the source is called in `list`, `status` and the store."""
        return self.name or self.usual_name()

    def usual_name(self) -> str:
        """The title where none is given; what tells the source apart, like a path."""
        return str(self.__struct_config__.tag)

    def usual_services(self) -> tuple[str, ...] | None:
        """The services of a source that knows none of `policy.services`."""
        return None

    def rules(self, policy: Rules) -> Rules:
        """`policy`, with what this source says otherwise."""
        services = self.services or self.usual_services()
        return replace(
            policy,
            window=policy.window if self.window is None else self.window,
            services=policy.services if services is None else frozenset(services),
            ends=self.ends,
        )

    def check(self, where: str) -> None:
        """Raise Complaint for a value that can't be meant."""
        if self.window is not None and self.window <= 0:
            raise Complaint(f"{where}.window", "a window of 0 would earn nobody anything")
        if self.services == ():
            raise Complaint(f"{where}.services", "no service: no login could earn anything")


class LogSettings(SourceSettings, kw_only=True, frozen=True):
    """A source of log lines, which dialects read."""

    dialects: tuple[str, ...] = UNNAMED

    def check(self, where: str) -> None:
        super().check(where)
        if not self.dialects:
            raise Complaint(f"{where}.dialects", _NO_DIALECT)

    def reads(self, dialect: str) -> bool:
        """Whether lines of this dialect are looked for."""
        return dialect in (USUAL if self.dialects == UNNAMED else self.dialects)


class FileSettings(LogSettings, tag="file", kw_only=True, frozen=True):
    """A log file, followed through its rotations."""

    path: str

    def usual_name(self) -> str:
        return f"file:{self.path}"

    def check(self, where: str) -> None:
        super().check(where)
        absolute(f"{where}.path", self.path)
        if self.path in FORGEABLE:
            why = f"strangers can write whole lines into this file; {FORGEABLE[self.path]} instead"
            raise Complaint(f"{where}.path", why)


class StdinSettings(LogSettings, tag="stdin", kw_only=True, frozen=True):
    """Log lines on standard input, as from rsyslog's omprog."""


class SpoolSettings(SourceSettings, tag="spool", kw_only=True, frozen=True):
    """The drop box of `poplock-allow`."""

    path: str = "/var/spool/poplock"
    speak_for_others: tuple[str, ...] = ()

    def usual_name(self) -> str:
        return "allow"

    def check(self, where: str) -> None:
        super().check(where)
        absolute(f"{where}.path", self.path)


class JournalSettings(LogSettings, tag="journal", kw_only=True, frozen=True):
    """systemd's journal: the entries of some units and, if named, some accounts in them."""

    units: tuple[str, ...]
    uids: tuple[str | int, ...] = ()
    since: Duration | None = None

    def check(self, where: str) -> None:
        super().check(where)
        if not self.units:
            raise Complaint(f"{where}.units", "no unit: nobody's word would count")
        for i, unit in enumerate(self.units):
            if not re.fullmatch(r"[A-Za-z0-9:_.\\@-]+\.[a-z]+", unit):
                raise Complaint(
                    f"{where}.units[{i}]",
                    f"{unit!r} is not the whole name of a unit;"
                    ' write it as systemctl shows it: "dovecot.service"',
                )


class ListeningSettings(SourceSettings, kw_only=True, frozen=True):
    """A source that others connect to, or send datagrams to.

    `peers` may tell of logins; a unix socket's peers are chosen by its group and mode.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("inet", "unix")

    listen: tuple[str, ...]
    peers: tuple[str, ...] = LOOPBACK
    group: str | None = None
    mode: str = "0660"
    max_connections: int = 1000
    idle_timeout: Duration = Duration(600)
    request_timeout: Duration = Duration(10)

    def sockets(self) -> list[Listen]:
        return [Listen.read(text, self.kinds) for text in self.listen]

    def secured(self) -> Tls | None:
        """What the stream sockets need for TLS, where they speak it."""
        return None

    def may_tell(self) -> NetworkSet:
        """Whose word counts."""
        return networks("peers", self.peers)

    def may_ask(self) -> NetworkSet:
        """Whose questions are answered, in a protocol that has any."""
        return NetworkSet()

    def check(self, where: str) -> None:
        super().check(where)
        if not self.listen:
            raise Complaint(f"{where}.listen", "a source that listens nowhere hears of no login")
        for i, text in enumerate(self.listen):
            try:
                Listen.read(text, self.kinds)
            except ValueError as error:
                raise Complaint(f"{where}.listen[{i}]", str(error)) from None
        networks(f"{where}.peers", self.peers)
        octal(f"{where}.mode", self.mode)
        if self.max_connections < 1:
            raise Complaint(f"{where}.max_connections", "at least 1, or nobody could connect")


class ServingSettings(ListeningSettings, kw_only=True, frozen=True):
    """A source behind HTTP, which takes the extra `web`."""

    tls: Tls | None = None

    def secured(self) -> Tls | None:
        return self.tls

    def check(self, where: str) -> None:
        super().check(where)
        if self.tls is not None:
            self.tls.check(f"{where}.tls")


class KeyedSettings(ServingSettings, kw_only=True, frozen=True):
    """A source whose peers share a key with us."""

    api_key_file: str | None = None

    def check(self, where: str) -> None:
        super().check(where)
        if self.api_key_file is not None:
            absolute(f"{where}.api_key_file", self.api_key_file)


class DovecotAuthPolicySettings(
    KeyedSettings, tag="dovecot_auth_policy", kw_only=True, frozen=True
):
    """Dovecot's auth policy requests; with `events`, its exported events as well."""

    events: bool = False
    master_separator: str = "*"


class DovecotEventsSettings(KeyedSettings, tag="dovecot_events", kw_only=True, frozen=True):
    """Dovecot's event exporter."""


class HttpSettings(ServingSettings, tag="http", kw_only=True, frozen=True):
    """The HTTP API, for bearers of tokens."""

    tokens_file: str

    def check(self, where: str) -> None:
        super().check(where)
        absolute(f"{where}.tokens_file", self.tokens_file)


class SyslogSettings(ListeningSettings, tag="syslog", kw_only=True, frozen=True):
    """Syslog messages of others. A connection may be idle for long: a sender whose connection is
    closed meanwhile notices only by losing a message."""

    kinds: ClassVar[tuple[Kind, ...]] = ("inet", "udp", "unixgram")

    dialects: tuple[str, ...] = UNNAMED
    tls: Tls | None = None
    idle_timeout: Duration = Duration(7 * 86_400)

    def secured(self) -> Tls | None:
        return self.tls

    def check(self, where: str) -> None:
        super().check(where)
        if not self.dialects:
            raise Complaint(f"{where}.dialects", _NO_DIALECT)
        if self.tls is not None:
            self.tls.check(f"{where}.tls")
            if all(socket.datagram for socket in self.sockets()):
                raise Complaint(f"{where}.tls", 'TLS needs a socket of TCP, "inet:HOST:PORT"')


def check_dialects(where: str, names: tuple[str, ...], own: Collection[str]) -> None:
    """Complain about a dialect that is neither known nor one of the configuration's `own`."""
    for name in names if names != UNNAMED else ():
        if name not in DIALECTS and name not in own:
            known = ", ".join((*DIALECTS, *own))
            raise Complaint(where, f"no dialect {name!r}; there are {known}")


class TellingSettings(ListeningSettings, kw_only=True, frozen=True):
    """A source whose protocol tells neither the service nor, always, the user."""

    user: str = "unnamed"
    service: str = "pop3"

    def usual_services(self) -> tuple[str, ...]:
        return (self.service,)

    def check(self, where: str) -> None:
        super().check(where)
        if not self.user or len(self.user) > 255 or not self.user.isprintable():
            raise Complaint(f"{where}.user", f"{self.user[:80]!r} can't be a user's name")
        if self.services is not None and self.service not in self.services:
            raise Complaint(f"{where}.service", f"{self.service} is not among its services")


class WhosonSettings(TellingSettings, tag="whoson", kw_only=True, frozen=True):
    """WHOSON: `peers` may LOGIN and LOGOUT, `ask` may QUERY."""

    kinds = ("udp", "inet", "unix", "unixgram")

    ask: tuple[str, ...] = LOOPBACK

    def may_ask(self) -> NetworkSet:
        return networks("ask", self.ask)

    def check(self, where: str) -> None:
        super().check(where)
        networks(f"{where}.ask", self.ask)


class DracSettings(TellingSettings, tag="drac", kw_only=True, frozen=True):
    """DRAC, an RPC program. `allow_file`, as rpc.dracd has it, adds to `peers`."""

    kinds = ("udp", "inet")

    allow_file: str | None = None
    portmapper: bool = True

    def may_tell(self) -> NetworkSet:
        peers = super().may_tell()
        if self.allow_file is None:
            return peers
        return NetworkSet((*peers.networks, *read_allow(Path(self.allow_file))))

    def check(self, where: str) -> None:
        super().check(where)
        if self.allow_file is not None:
            absolute(f"{where}.allow_file", self.allow_file)


class RadiusSettings(ListeningSettings, tag="radius", kw_only=True, frozen=True):
    """RADIUS accounting. Whoever knows a secret may tell; `peers` can narrow that down."""

    kinds = ("udp",)

    clients_file: str
    peers: tuple[str, ...] = ("0.0.0.0/0", "::/0")

    def usual_services(self) -> tuple[str, ...]:
        return ("radius",)

    def check(self, where: str) -> None:
        super().check(where)
        absolute(f"{where}.clients_file", self.clients_file)


SourceTypes = (
    FileSettings
    | StdinSettings
    | SpoolSettings
    | JournalSettings
    | SyslogSettings
    | DovecotAuthPolicySettings
    | DovecotEventsSettings
    | HttpSettings
    | WhosonSettings
    | DracSettings
    | RadiusSettings
)
