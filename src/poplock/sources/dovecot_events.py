"""Dovecot's event exporter over HTTP: one event a request, JSON (2.3 and 2.4).

`auth_request_finished` with `success` is a login; `mail_user_session_finished` is the end of a
session, joined to its login by Dovecot's session id. The exporter waits a quarter of a second for
an answer and tries once, so what it can't deliver is lost; it never holds up a login.

Rule: an event carries its own time, and counts by it, however late it comes.
"""

from datetime import datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..config.sources import DovecotEventsSettings
from ..core.errors import WireError
from ..core.events import Event, Login, Logout
from ..wire.strict_json import read_object
from .dovecot_fields import address, text
from .intake import Intake
from .web import Key, assemble, read_body, read_key

MOST_BODY = 65_536  # bytes; events of a session have about a thousand

_MASTER = ("master_user", "login_user")  # fields of a login as somebody else


class Events:
    """The address over one intake."""

    def __init__(self, intake: Intake, key: Key | None) -> None:
        self._intake = intake
        self._key = key

    def routes(self) -> list[Route]:
        return [Route("/dovecot/events", self._event, methods=["POST"])]

    async def _event(self, request: Request) -> Response:
        if self._key is not None:
            self._key.check(request)
        event = read_event(read_object(await read_body(request, MOST_BODY)))
        if event is not None:
            self._intake.take([event])
            await self._intake.kept()
        return Response(status_code=204)


def read_event(body: dict[str, object]) -> Event | None:
    """The login or logout that an exported event tells of; WireError where it isn't Dovecot's."""
    name, fields = body.get("event"), body.get("fields", {})
    if not isinstance(name, str) or not isinstance(fields, dict):
        raise WireError("not an event of Dovecot's exporter: no 'event', or 'fields' is no object")
    session = text(fields, "session") or None
    if name == "mail_user_session_finished":
        at = _time(body, "end_time")
        user = text(fields, "user") or None
        return Logout(at, None, user, _service(body, fields), None, session, dialect="dovecot")
    if name != "auth_request_finished" or fields.get("success") != "yes":
        return None
    user = text(fields, "user")
    if not user or not text(fields, "remote_ip") or any(text(fields, m) for m in _MASTER):
        return None
    return Login(
        _time(body, "end_time"),
        address(fields, "remote_ip"),
        user,
        # 2.3 and 2.4 differ in the name
        text(fields, "protocol") or text(fields, "service"),
        text(fields, "transport").lower() == "tls",
        session,
        dialect="dovecot",
    )


def _service(body: dict[str, object], fields: dict[str, object]) -> str:
    """The service of a session: 2.3 tells it among the categories only."""
    categories = body.get("categories", [])
    if isinstance(categories, list):
        for category in categories:
            if isinstance(category, str) and category.startswith("service:"):
                return category.removeprefix("service:")[:32]
    return text(fields, "service")


def _time(body: dict[str, object], name: str) -> float:
    """RFC 3339 with its zone, as with `time-rfc3339`."""
    wrong = WireError(
        f"{name!r} is no time with a zone; the exporter must be given"
        " format_args = time-rfc3339 (2.3) or time_format = rfc3339 (2.4)"
    )
    try:
        moment = datetime.fromisoformat(text(body, name))
    except ValueError:
        raise wrong from None
    if moment.tzinfo is None:
        raise wrong
    return moment.timestamp()


def application(settings: DovecotEventsSettings, intake: Intake) -> Starlette:
    """What `[[source]]` of this type serves."""
    return assemble(Events(intake, read_key(settings.api_key_file)).routes())
