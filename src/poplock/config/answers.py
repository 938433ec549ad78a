"""`[[answer]]`: how MTAs ask. A struct for each protocol.

To add one: a struct here, in `AnswerTypes` too, and a row in `answers.ANSWERS`.
"""

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from ..core.addresses import NetworkSet
from .complaint import Complaint, octal
from .duration import Duration
from .listen import LOOPBACK, Kind, Listen, networks


class AnswerSettings(
    Struct, tag_field="type", forbid_unknown_fields=True, kw_only=True, frozen=True
):
    """What every answer has."""

    kinds: ClassVar[tuple[Kind, ...]] = ("inet", "unix")

    listen: str
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
        return None

    def check(self, where: str) -> None:
        """Raise Complaint for a value that can't be meant."""
        try:
            self.socket()
        except ValueError as error:
            raise Complaint(f"{where}.listen", str(error)) from None
        octal(f"{where}.mode", self.mode)


class PostfixPolicySettings(AnswerSettings, tag="postfix_policy", kw_only=True, frozen=True):
    """A Postfix policy service (SMTPD_POLICY_README)."""


class WhosonAnswerSettings(AnswerSettings, tag="whoson", kw_only=True, frozen=True):
    """WHOSON's QUERY alone; the source of that name takes LOGIN and LOGOUT as well."""

    kinds = ("udp", "inet", "unix", "unixgram")

    ask: tuple[str, ...] = LOOPBACK

    def may_ask(self) -> NetworkSet:
        return networks("ask", self.ask)

    def check(self, where: str) -> None:
        super().check(where)
        networks(f"{where}.ask", self.ask)


AnswerTypes = PostfixPolicySettings | WhosonAnswerSettings
