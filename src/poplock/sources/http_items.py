"""The items of the HTTP API: from a JSON object to a Login or Logout, or why not."""

import math
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from ..core.addresses import IPAddress, parse_ip
from ..core.errors import WireError
from ..core.events import NOW, Login, Logout
from .tokens import Token

TOLERANCE = 60.0
"""Seconds by which the peer's clock may be ahead of ours; beyond that its stamps say nothing."""

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Id = Annotated[str, Meta(min_length=1, max_length=128)]
Service = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9._-]{0,31}$")]
Time = Annotated[datetime, Meta(tz=True)]


class ItemError(Exception):
    """One item isn't accepted: the status it would have alone, why, and which member is meant."""

    def __init__(self, status: int, detail: str, member: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.member = member


class LoginItem(Struct, forbid_unknown_fields=True, frozen=True):
    """An element of POST /v1/logins."""

    ip: str
    user: Name
    service: Service
    id: Id | None = None
    time: Time | None = None
    tls: bool | None = None
    session: Name | None = None


class LogoutItem(Struct, forbid_unknown_fields=True, frozen=True):
    """An element of POST /v1/logouts: the end of a session, or of a client's right altogether."""

    session: Name | None = None
    ip: str | None = None
    user: Name | None = None
    id: Id | None = None
    time: Time | None = None
    released: bool = False


Item = LoginItem | LogoutItem


def read_item(kind: type[Item], value: object) -> Item:
    """The item in a JSON value; ItemError says which member is wrong and what would be right."""
    if isinstance(value, WireError):
        raise ItemError(400, str(value))
    if not isinstance(value, dict):
        raise ItemError(422, "an item must be a JSON object")
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        member = path.rstrip("`").lstrip(".")
        raise ItemError(422, what, member) from None


def event_of(item: Item, token: Token, wall: float) -> Login | Logout:
    """What an item tells, if this token may tell it.

    A session belongs to the token that told of it: its id gets the token's name before it.
    """
    ip = None if item.ip is None else _address(item.ip)
    for member, text in (("user", item.user), ("session", item.session), ("id", item.id)):
        if text is not None and not text.isprintable():
            raise ItemError(422, "only printable characters can stand here", member)
    at = NOW if item.time is None else item.time.timestamp()
    if at != math.inf and at > wall + TOLERANCE:
        raise ItemError(
            422, "this time is in the future; leave it out for something just now", "time"
        )
    session = None if item.session is None else f"{token.name}/{item.session}"
    if isinstance(item, LogoutItem):
        return _logout(item, token, at, ip, session)
    why = token.why_not(ip, item.user)
    if why is not None or ip is None:
        raise ItemError(403, why or "no address")
    return Login(at, ip, item.user, item.service, item.tls, session, dialect="http")


def _logout(
    item: LogoutItem, token: Token, at: float, ip: IPAddress | None, session: str | None
) -> Logout:
    if session is None and not (item.released and ip is not None and item.user is not None):
        raise ItemError(
            422,
            "say which session has ended, or with released: true which ip and user have gone",
            "session",
        )
    if session is None or ip is not None or item.user is not None:
        why = token.why_not(ip, item.user)
        if why is not None:
            raise ItemError(403, why)
    return Logout(at, ip, item.user, "", None, session, dialect="http", released=item.released)


def _address(text: str) -> IPAddress:
    try:
        return parse_ip(text)
    except ValueError as error:
        raise ItemError(422, f"no IP address: {error}", "ip") from None
