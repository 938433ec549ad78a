"""Dovecot's auth policy requests: told of every login before the client is (2.3 and 2.4).

Two addresses, because a request doesn't say at which moment of a login it was sent:

- `/dovecot/report` takes `command=report`. Dovecot doesn't wait for the answer, so a login is never
  slowed, and a client may be told OK a moment before we know.
- `/dovecot/after-auth` takes `command=allow`, for which Dovecot waits. With its check *before* the
  password off, there is one for each successful login, and it is on disk before the client is told.

Rule: a login is what Dovecot *says* to be one. A report says `success`. An `allow` says nothing of
the kind, and one sent before the password check looks the same: with Dovecot's defaults, a stranger
with a wrong password would cause it. So it has to carry `authenticated`, filled from a field that
the passdb sets on success only. Without that, it is answered and earns nothing.

Rule: a master user logs in as somebody else and is no roaming client. The user's name doesn't tell,
so a request has to carry `master_user`, empty or not, or it earns nothing either.

Rule: our trouble never fails or holds up a login: the answer is always "go on", in time.
"""

import asyncio
from typing import Literal

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..config.sources import DovecotAuthPolicySettings
from ..core.errors import StoreError, WireError
from ..core.events import NOW, Failure, Login
from ..wire.strict_json import read_object
from .dovecot_events import Events
from .dovecot_fields import address, text
from .intake import Intake
from .web import Key, assemble, json_response, read_body, read_key

Mode = Literal["report", "after-auth"]

MOST_BODY = 16_384  # bytes; Dovecot's own have a few hundred, IMAP ID lists (device_id) included
_PATIENCE = 0.25  # seconds for the disk, half of the time limit in Dovecot's lines

_GO_ON = {"status": 0, "msg": ""}


class AuthPolicy:
    """The two addresses over one intake.

    `sessions`: whether somebody tells this source when sessions end. Only then is a login the
    beginning of one; else it would count as open for the longest time there is.
    """

    def __init__(
        self, intake: Intake, key: Key | None, *, sessions: bool, master_separator: str
    ) -> None:
        self._intake = intake
        self._key = key
        self._sessions = sessions
        self._master = master_separator
        self.unproven = 0
        """Requests that lacked what a login has to carry."""
        self.unkept = 0
        """Logins let through before they were on disk."""

    def routes(self) -> list[Route]:
        return [
            Route("/dovecot/report", self._report, methods=["POST"]),
            Route("/dovecot/after-auth", self._after_auth, methods=["POST"]),
        ]

    async def _report(self, request: Request) -> Response:
        event = await self._read(request, "report")
        if event is not None:
            self._intake.take([event])
        self._say_how_it_is()
        return json_response(_GO_ON)

    async def _after_auth(self, request: Request) -> Response:
        event = await self._read(request, "after-auth")
        if event is not None:
            self._intake.take([event])
            try:
                async with asyncio.timeout(_PATIENCE):
                    await self._intake.kept()
            except (StoreError, TimeoutError):
                self.unkept += 1
        self._say_how_it_is()
        return json_response(_GO_ON)

    async def _read(self, request: Request, mode: Mode) -> Login | Failure | None:
        if self._key is not None:
            self._key.check(request)
        body = read_object(await read_body(request, MOST_BODY))
        command = request.query_params.get("command")
        if lacks_proof(mode, command, body):
            self.unproven += 1
            return None
        return read_event(mode, command, body, sessions=self._sessions, master=self._master)

    def _say_how_it_is(self) -> None:
        said = []
        if self.unproven:
            said.append(
                f"{self.unproven} requests didn't prove a login and earned nothing; Dovecot's lines"
                " must be those of 'poplock setup dovecot-auth-policy'"
            )
        if self.unkept:
            said.append(f"{self.unkept} logins were let through before they were on disk")
        self._intake.health.trouble = "; ".join(said) or None


def lacks_proof(mode: Mode, command: str | None, body: dict[str, object]) -> bool:
    """Whether a request would tell of a login, if it had been set up as it has to be."""
    if mode == "report":
        return command == "report" and body.get("success") is True and "master_user" not in body
    return command == "allow" and not (body.get("authenticated") and "master_user" in body)


def read_event(
    mode: Mode, command: str | None, body: dict[str, object], *, sessions: bool, master: str
) -> Login | Failure | None:
    """What a request tells of; None for nothing; WireError where it isn't Dovecot's."""
    if lacks_proof(mode, command, body):
        return None
    if command not in ("allow", "report"):
        raise WireError("the query must be command=allow or command=report, as Dovecot sends it")
    if command != ("report" if mode == "report" else "allow"):
        return None
    success = body.get("success") is True and body.get("policy_reject") is not True
    if mode == "after-auth":
        success = bool(text(body, "authenticated"))
    user, session = text(body, "login"), text(body, "session_id")
    if not user or not text(body, "remote"):
        return None
    if text(body, "master_user") or (master and master in user):
        return None
    event = Login if success else Failure
    tls = body.get("tls")
    return event(
        NOW,
        address(body, "remote"),
        user,
        text(body, "protocol"),
        tls if isinstance(tls, bool) else None,
        session if sessions and session else None,
        dialect="dovecot",
    )


def application(settings: DovecotAuthPolicySettings, intake: Intake) -> Starlette:
    """What `[[source]]` of this type serves."""
    key = read_key(settings.api_key_file)
    policy = AuthPolicy(
        intake, key, sessions=settings.events, master_separator=settings.master_separator
    )
    events = Events(intake, key).routes() if settings.events else []
    return assemble([*policy.routes(), *events])
