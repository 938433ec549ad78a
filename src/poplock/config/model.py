"""What can be configured, with the defaults and why they are so.

The structs say types and names; `check` says what types can't. Everything here is data: nothing is
opened and no name is looked up.
"""

import re
from ipaddress import ip_address, ip_network
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from ..core.addresses import NetworkSet
from ..core.policy import NEVER, Rules
from ..dialects import DIALECTS
from ..maps.cdb import CdbSettings
from ..maps.directory import DirectorySettings

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Duration(float):
    """Seconds, written `90`, `"90s"`, `"60m"`, `"24h"` or `"30d"`."""

    @classmethod
    def read(cls, value: object) -> "Duration":
        """Read what stands in the file; ValueError says what would be right."""
        if isinstance(value, str):
            match = re.fullmatch(r"(\d{1,9})([smhd])", value)
            if match:
                return cls(int(match[1]) * _UNITS[match[2]])
        elif isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e10:
            return cls(value)
        raise ValueError(f'{value!r} is no duration; write seconds, or "90s", "60m", "24h", "30d"')


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
            never=NetworkSet(tuple(ip_network(n) for n in self.never)),
            services=frozenset(self.services),
            require_tls=self.require_tls,
            allow_users=self.allow_users,
            deny_users=self.deny_users,
        )


class StoreSection(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Where grants are kept."""

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


class FileSource(
    Struct, tag="file", tag_field="type", forbid_unknown_fields=True, kw_only=True, frozen=True
):
    """A log file, followed through its rotations."""

    path: str
    dialects: tuple[str, ...] = tuple(DIALECTS)
    name: str = ""

    @property
    def title(self) -> str:
        return self.name or f"file:{self.path}"


class StdinSource(
    Struct, tag="stdin", tag_field="type", forbid_unknown_fields=True, kw_only=True, frozen=True
):
    """Log lines on standard input, as from rsyslog's omprog."""

    dialects: tuple[str, ...] = tuple(DIALECTS)
    name: str = ""

    @property
    def title(self) -> str:
        return self.name or "stdin"


class SpoolSource(
    Struct, tag="spool", tag_field="type", forbid_unknown_fields=True, kw_only=True, frozen=True
):
    """The drop box of `poplock-allow`."""

    path: str = "/var/spool/poplock"
    speak_for_others: tuple[str, ...] = ()
    name: str = ""

    @property
    def title(self) -> str:
        return self.name or "allow"


class PostfixPolicy(
    Struct,
    tag="postfix_policy",
    tag_field="type",
    forbid_unknown_fields=True,
    kw_only=True,
    frozen=True,
):
    """A Postfix policy service (SMTPD_POLICY_README)."""

    listen: str
    group: str | None = None
    mode: str = "0660"
    max_connections: Annotated[int, Meta(ge=1, le=65_536)] = 1000
    idle_timeout: Duration = Duration(600)
    request_timeout: Duration = Duration(10)
    patience: Duration = Duration(0.25)


class Config(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The whole file."""

    policy: PolicySection = field(default_factory=PolicySection)
    store: StoreSection = field(default_factory=StoreSection)
    control: ControlSection = field(default_factory=ControlSection)
    log: LogSection = field(default_factory=LogSection)
    source: tuple[FileSource | StdinSource | SpoolSource, ...] = ()
    answer: tuple[PostfixPolicy, ...] = ()
    map: tuple[CdbSettings | DirectorySettings, ...] = ()


class Complaint(ValueError):
    """A value that has the right type and is wrong all the same."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(text)
        self.path = path
        self.text = text


def check(config: Config) -> None:
    """Raise Complaint for the first value that can't be meant."""
    _check_policy(config.policy)
    _mode("control.mode", config.control.mode)
    _absolute("store.path", config.store.path)
    _absolute("control.path", config.control.path)
    listening = {f"unix:{config.control.path}": "control.path"}
    for i, answer in enumerate(config.answer):
        where = f"answer[{i}].listen"
        try:
            Listen.read(answer.listen)
        except ValueError as error:
            raise Complaint(where, str(error)) from None
        _mode(f"answer[{i}].mode", answer.mode)
        taken = listening.setdefault(answer.listen, where)
        if taken != where:
            raise Complaint(where, f"{answer.listen} is already taken by {taken}")
    titles: dict[str, str] = {}
    for i, source in enumerate(config.source):
        where = f"source[{i}]"
        if not isinstance(source, StdinSource):
            _absolute(f"{where}.path", source.path)
        if not isinstance(source, SpoolSource):
            _known(f"{where}.dialects", source.dialects)
        taken = titles.setdefault(source.title, where)
        if taken != where:
            raise Complaint(where, f"{source.title} is already the source {taken}")
    paths: dict[str, str] = {}
    for i, map_ in enumerate(config.map):
        where = f"map[{i}].path"
        _absolute(where, map_.path)
        taken = paths.setdefault(map_.path, where)
        if taken != where:
            raise Complaint(where, f"{map_.path} is already written by {taken}")


def _check_policy(policy: PolicySection) -> None:
    if policy.window <= 0:
        raise Complaint("policy.window", "a window of 0 would earn nobody anything")
    if policy.max_session < policy.window:
        raise Complaint(
            "policy.max_session",
            f"{policy.max_session:.0f} s is shorter than policy.window ({policy.window:.0f} s)",
        )
    for i, network in enumerate(policy.never):
        try:
            ip_network(network)
        except ValueError as error:
            raise Complaint(f"policy.never[{i}]", str(error)) from None


def _known(where: str, dialects: tuple[str, ...]) -> None:
    if not dialects:
        raise Complaint(where, "no dialect: no line could be a login")
    for name in dialects:
        if name not in DIALECTS:
            raise Complaint(where, f"no dialect {name!r}; there are {', '.join(DIALECTS)}")


def _absolute(where: str, path: str) -> None:
    if not path.startswith("/"):
        raise Complaint(where, f"{path!r} must be an absolute path")


def _mode(where: str, mode: str) -> None:
    if not re.fullmatch(r"0?[0-7]{3}", mode):
        raise Complaint(where, f'{mode!r} is no file mode; write it in octal, as "0660"')


class Listen(Struct, frozen=True):
    """Where an answer listens: `inet:127.0.0.1:10031`, `inet:[::1]:10031`, `unix:/path`."""

    path: str | None = None
    host: str | None = None
    port: int = 0

    @classmethod
    def read(cls, text: str) -> "Listen":
        """Read Postfix's own notation; ValueError says what would be right."""
        kind, _, rest = text.partition(":")
        if kind == "unix":
            if not rest.startswith("/"):
                raise ValueError(f"{text!r}: after unix: an absolute path must stand")
            if len(rest.encode()) > 107:  # sun_path, unix(7)
                raise ValueError(f"{text!r}: a socket's path can have 107 bytes at most")
            return cls(path=rest)
        host, _, port = rest.rpartition(":")
        if kind == "inet" and port.isdecimal() and 1 <= int(port) <= 65_535:
            bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
            try:
                return cls(host=str(ip_address(bare)), port=int(port))
            except ValueError:
                raise ValueError(f"{text!r}: {bare!r} is no IP address") from None
        raise ValueError(f'{text!r} is no socket; write "inet:127.0.0.1:10031" or "unix:/path"')
