"""`[[answer]]`: how MTAs ask. A struct for each protocol.

To add one: a struct here, in `AnswerTypes` too, and a row in `answers.ANSWERS`.
"""

import re
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from ..core.addresses import NetworkSet
from .complaint import Complaint, octal
from .duration import Duration
from .listen import LOOPBACK, Kind, Listen, networks

_LONGEST_ZONE = 100  # bytes; with 32 nibbles in front and a record behind, a reply stays below 512


class AnswerSettings(
    Struct, tag_field="type", forbid_unknown_fields=True, kw_only=True, frozen=True
):
    """What every answer has.

    `ask` may ask; None: whoever reaches the socket. A unix socket's peers are chosen by its group
    and mode.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("inet", "unix")

    listen: str
    ask: tuple[str, ...] | None = None
    group: str | None = None
    mode: str = "0660"
    max_connections: Annotated[int, Meta(ge=1, le=65_536)] = 1000
    idle_timeout: Duration = Duration(600)
    request_timeout: Duration = Duration(10)
    patience: Duration = Duration(0.25)

    def socket(self) -> Listen:
        return Listen.read(self.listen, self.kinds)

    def may_ask(self) -> NetworkSet | None:
        """Whose questions are answered; None: everybody's who reaches the socket."""
        return None if self.ask is None else networks("ask", self.ask)

    def check(self, where: str) -> None:
        """Raise Complaint for a value that can't be meant."""
        try:
            self.socket()
        except ValueError as error:
            raise Complaint(f"{where}.listen", str(error)) from None
        networks(f"{where}.ask", self.ask or ())
        if self.ask == ():
            raise Complaint(f"{where}.ask", "no network: nobody could ask")
        octal(f"{where}.mode", self.mode)


class PostfixPolicySettings(AnswerSettings, tag="postfix_policy", kw_only=True, frozen=True):
    """A Postfix policy service (SMTPD_POLICY_README).

    `prepend`: the name of a header with the user, for requests with that policy_context.
    """

    prepend: str | None = None

    def check(self, where: str) -> None:
        super().check(where)
        if self.prepend is not None and not re.fullmatch(r"[!-9;-~]{1,60}", self.prepend):
            raise Complaint(f"{where}.prepend", f"{self.prepend!r} is no name of a header")


class WhosonAnswerSettings(AnswerSettings, tag="whoson", kw_only=True, frozen=True):
    """WHOSON's QUERY alone; the source of that name takes LOGIN and LOGOUT as well."""

    kinds = ("udp", "inet", "unix", "unixgram")

    ask: tuple[str, ...] | None = LOOPBACK


class SocketmapSettings(AnswerSettings, tag="socketmap", kw_only=True, frozen=True):
    """Maps of Sendmail's and Postfix's socketmap protocol; all have the same content."""

    maps: tuple[str, ...] = ("poplock",)

    def check(self, where: str) -> None:
        super().check(where)
        for i, name in enumerate(self.maps):
            if not re.fullmatch(r"[!-~]+", name):
                raise Complaint(
                    f"{where}.maps[{i}]", f"{name!r}: letters and digits, as MTAs name maps"
                )
        if not self.maps:
            raise Complaint(f"{where}.maps", "no map: every question would be about another one")


class TcpTableSettings(AnswerSettings, tag="tcp_table", kw_only=True, frozen=True):
    """A table of Postfix's tcp_table protocol."""

    kinds: ClassVar[tuple[Kind, ...]] = ("inet",)


class LineSettings(AnswerSettings, tag="line", kw_only=True, frozen=True):
    """One question a connection in one line: Exim's readsocket, OpenSMTPD's table, scripts."""


class DnsSettings(AnswerSettings, tag="dns", kw_only=True, frozen=True):
    """A DNS zone. An answer each for UDP and TCP."""

    kinds: ClassVar[tuple[Kind, ...]] = ("udp", "inet")

    zone: str
    ask: tuple[str, ...] | None = LOOPBACK

    def check(self, where: str) -> None:
        super().check(where)
        label = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?"
        if not re.fullmatch(rf"{label}(\.{label})+\.?", self.zone, re.IGNORECASE):
            raise Complaint(
                f"{where}.zone", f'{self.zone!r} is no zone; write it as "relay.example.org"'
            )
        if len(self.zone) > _LONGEST_ZONE:
            raise Complaint(f"{where}.zone", f"a zone can have {_LONGEST_ZONE} letters at most")


AnswerTypes = (
    PostfixPolicySettings
    | WhosonAnswerSettings
    | SocketmapSettings
    | TcpTableSettings
    | LineSettings
    | DnsSettings
)
