"""What can be configured, with the defaults and why they are so.

The structs say types and names; `check` says what types can't. Everything here is data: nothing is
opened and no name is looked up.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from ..core.policy import NEVER, Rules
from ..dialects.model import Dialect
from .answers import AnswerTypes
from .complaint import Complaint, absolute, octal
from .dialects import DialectSettings
from .duration import Duration
from .listen import networks
from .maps import MapTypes
from .shared import SharedSection
from .sources import (
    ListeningSettings,
    LogSettings,
    SourceTypes,
    SyslogSettings,
    check_dialects,
)


class PolicySection(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Which logins earn what."""

    window: Duration = Duration(3600)
    max_session: Duration = Duration(86_400)
    ipv6_prefix: Annotated[int, Meta(ge=16, le=128)] = 64
    never: tuple[str, ...] = NEVER
    never_own: bool = True
    services: tuple[str, ...] = ("pop3", "imap")
    require_tls: bool = False
    allow_users: tuple[str, ...] = ()
    deny_users: tuple[str, ...] = ()
    match_sender: bool = False

    def rules(self) -> Rules:
        return Rules(
            window=self.window,
            max_session=self.max_session,
            ipv6_prefix=self.ipv6_prefix,
            never=networks("policy.never", self.never),
            services=frozenset(self.services),
            require_tls=self.require_tls,
            allow_users=self.allow_users,
            deny_users=self.deny_users,
        )


class StoreSection(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Where this host keeps what it has learnt."""

    path: str = "/var/lib/poplock/poplock.db"
    history: Duration = Duration(30 * 86_400)


class ControlSection(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Where the command line reaches the daemon. Whoever may write there may hand out grants."""

    path: str = "/run/poplock/control.sock"
    group: str | None = None
    mode: str = "0660"


class LogSection(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """What the daemon says on standard error (the journal, under systemd)."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    permits: bool = True


class Config(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The whole file."""

    policy: PolicySection = field(default_factory=PolicySection)
    store: StoreSection = field(default_factory=StoreSection)
    shared: SharedSection | None = None
    control: ControlSection = field(default_factory=ControlSection)
    log: LogSection = field(default_factory=LogSection)
    dialect: tuple[DialectSettings, ...] = ()
    source: tuple[SourceTypes, ...] = ()
    answer: tuple[AnswerTypes, ...] = ()
    map: tuple[MapTypes, ...] = ()

    def own_dialects(self) -> dict[str, Dialect]:
        """The dialects of `[[dialect]]`, by name."""
        return {d.name: d.build(f"dialect[{i}]") for i, d in enumerate(self.dialect)}

    def rules_of_sources(self) -> Mapping[str, Rules]:
        """The rules of each source, by its title."""
        policy = self.policy.rules()
        return {source.title: source.rules(policy) for source in self.source}


def check(config: Config) -> None:
    """Raise Complaint for the first value that can't be meant."""
    _check_policy(config.policy)
    octal("control.mode", config.control.mode)
    absolute("store.path", config.store.path)
    if config.shared is not None:
        config.shared.check("shared")
    absolute("control.path", config.control.path)
    listening = {f"unix:{config.control.path}": "control.path"}
    for i, answer in enumerate(config.answer):
        answer.check(f"answer[{i}]")
        _taken(listening, answer.listen, f"answer[{i}].listen")
    own: dict[str, str] = {}
    for i, dialect in enumerate(config.dialect):
        where = f"dialect[{i}]"
        dialect.check(where)
        taken = own.setdefault(dialect.name, where)
        if taken != where:
            raise Complaint(f"{where}.name", f"{dialect.name!r} is already the name of {taken}")
    titles: dict[str, str] = {}
    for i, source in enumerate(config.source):
        where = f"source[{i}]"
        source.check(where)
        if isinstance(source, LogSettings | SyslogSettings):
            check_dialects(f"{where}.dialects", source.dialects, own)
        if source.window is not None and source.window > config.policy.max_session:
            raise Complaint(f"{where}.window", "longer than policy.max_session")
        taken = titles.setdefault(source.title, where)
        if taken != where:
            raise Complaint(where, f"{source.title} is already the source {taken}")
        if isinstance(source, ListeningSettings):
            for n, listen in enumerate(source.listen):
                _taken(listening, listen, f"{where}.listen[{n}]")
    paths: dict[str, str] = {}
    for i, map_ in enumerate(config.map):
        map_.check(f"map[{i}]")
        where = f"map[{i}].path"
        taken = paths.setdefault(map_.path, where)
        if taken != where:
            raise Complaint(where, f"{map_.path} is already written by {taken}")


def _taken(listening: dict[str, str], listen: str, where: str) -> None:
    taken = listening.setdefault(listen, where)
    if taken != where:
        raise Complaint(where, f"{listen} is already taken by {taken}")


def _check_policy(policy: PolicySection) -> None:
    if policy.window <= 0:
        raise Complaint("policy.window", "a window of 0 would earn nobody anything")
    if policy.max_session < policy.window:
        raise Complaint(
            "policy.max_session",
            f"{policy.max_session:.0f} s is shorter than policy.window ({policy.window:.0f} s)",
        )
    networks("policy.never", policy.never)
