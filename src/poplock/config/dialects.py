"""`[[dialect]]`: patterns for the odd server that no dialect of ours reads."""

import re
from typing import Literal

from msgspec import Struct

from ..dialects import DIALECTS, UNNAMED
from ..dialects.model import Dialect, Rule
from .complaint import Complaint

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_TAG = re.compile(r"[!-9;-Z\\^-~]{1,64}")  # what may stand before [pid] or a colon
_MOST = 16  # patterns of one kind


class DialectSettings(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """How one server writes logins, and whose lines it is looked for in."""

    name: str
    form: Literal["syslog", "own", "multilog", "multilog-tag"] = "syslog"
    tags: tuple[str, ...] = ()
    service: str | None = None
    tls: bool | None = None
    login: tuple[str, ...]
    logout: tuple[str, ...] = ()
    failure: tuple[str, ...] = ()

    def check(self, where: str) -> None:
        """Raise Complaint for what can't be meant, and for a pattern that could be led astray."""
        if not _NAME.fullmatch(self.name):
            raise Complaint(f"{where}.name", f"{self.name!r}: a small letter, then a-z 0-9 _ -")
        if self.name in DIALECTS or (self.name,) == UNNAMED:
            raise Complaint(f"{where}.name", f"{self.name!r} is taken; take another name")
        tagged = self.form in ("syslog", "multilog-tag")
        if tagged and not self.tags:
            raise Complaint(
                f"{where}.tags" if self.tags else where,
                f"no tags: name the programs that write these lines, or say form ="
                f' "{"own" if self.form == "syslog" else "multilog"}" for a log without them',
            )
        if self.tags and not tagged:
            raise Complaint(f"{where}.tags", f'lines of form = "{self.form}" have no tags')
        for tag in self.tags:
            if not _TAG.fullmatch(tag):
                raise Complaint(f"{where}.tags", f"{tag!r}: a tag ends before [pid] or a colon")
        if not self.login:
            raise Complaint(f"{where}.login", "no pattern: no line could be a login")
        self.build(where)

    def build(self, where: str) -> Dialect:
        """The dialect; Complaint where a pattern can't be trusted."""
        from ..dialects import own  # its parts are for those who have patterns of their own

        rules: list[Rule] = []
        pairs: list[tuple[str, str]] = []
        for kind in ("login", "logout", "failure"):
            patterns: tuple[str, ...] = getattr(self, kind)
            if len(patterns) > _MOST:
                raise Complaint(f"{where}.{kind}", f"more than {_MOST} patterns")
            for pattern in patterns:
                pairs.append((kind, pattern))
                told = self.service is not None or "(?P<service>" in pattern
                if kind == "login" and not told:
                    raise Complaint(
                        f"{where}.{kind}",
                        'which service? Give service = "pop3" or "imap", or a group (?P<service>…)',
                    )
                try:
                    rules.append(
                        own.own_rule(kind, pattern, self.tags, self.form, self.service, self.tls)
                    )
                except own.PatternError as error:
                    raise Complaint(f"{where}.{kind}", f"{pattern!r}: {error}") from None
        try:
            own.check_together(pairs)
        except own.PatternError as error:
            raise Complaint(where, str(error)) from None
        return Dialect(self.name, tuple(rules))
