"""The HTTP API: logins and logouts from whatever can make a POST request.

`POST /v1/logins`, `POST /v1/logouts`: one JSON object, an array of them, or one a line (NDJSON).
The answer comes when what was told is on disk. `GET /v1/openapi.json` describes it for programs,
docs/reference/http.md for people.

Rule: an item counts once. One with an `id` may be told again; for as long as its id is remembered
it is the same event, and the answer is the same.
"""

import math
from collections.abc import Sequence
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..config.sources import HttpSettings
from ..core.errors import StoreError, WireError
from ..core.events import Login, Logout
from ..wire.strict_json import read_json
from .http_items import Item, ItemError, LoginItem, LogoutItem, event_of, read_item
from .intake import Intake
from .tokens import Token, TokenFileError, Tokens
from .web import Refusal, assemble, json_response, problem, problem_response, read_body

MOST_BODY = 1_048_576  # bytes
MOST_ITEMS = 1000  # of a batch: some 10 ms of work, which the answers have to wait for
_LINES = ("application/x-ndjson", "application/jsonl")
_TYPES = ("application/json", *_LINES)
_KINDS: dict[str, type[Item]] = {"logins": LoginItem, "logouts": LogoutItem}
_IDS = 10_000  # ids of a generation; two are remembered, some 3 MiB

Result = dict[str, Any]


class Seen:
    """The ids of late, in two generations: bounded, and forgetting the oldest first."""

    def __init__(self, most: int = _IDS) -> None:
        self._most = most
        self._new: dict[bytes, int] = {}
        self._old: dict[bytes, int] = {}

    def before(self, scope: str, item: Item) -> bool:
        """Whether this very item was there before; ItemError if another had its id."""
        key = blake2b(f"{scope}\0{item.id}".encode(), digest_size=16).digest()
        content = hash(item)
        known = self._new.get(key, self._old.get(key))
        if known is None:
            if len(self._new) >= self._most:
                self._old, self._new = self._new, {}
            self._new[key] = content
            return False
        if known != content:
            raise ItemError(409, "this id was given to another event before", "id")
        return True


class Api:
    """The addresses over one intake."""

    def __init__(self, intake: Intake, tokens: Tokens) -> None:
        self._intake = intake
        self._tokens = tokens
        self._seen = Seen()
        self._description = files(__package__).joinpath("openapi.json").read_bytes()

    def routes(self) -> list[Route]:
        return [
            Route("/v1/logins", self._logins, methods=["POST"]),
            Route("/v1/logouts", self._logouts, methods=["POST"]),
            Route("/v1/openapi.json", self._openapi, methods=["GET"]),
        ]

    async def _logins(self, request: Request) -> Response:
        return await self._told(request, "logins")

    async def _logouts(self, request: Request) -> Response:
        return await self._told(request, "logouts")

    async def _openapi(self, request: Request) -> Response:
        return Response(self._description, media_type="application/json")

    async def _told(self, request: Request, scope: str) -> Response:
        token = self._who(request, scope)
        content_type = _content_type(request)
        values = _read(content_type, await read_body(request, MOST_BODY))
        batch = values if isinstance(values, list) else [values]
        if len(batch) > MOST_ITEMS:
            raise Refusal(413, f"a batch has at most {MOST_ITEMS} items")
        if not batch:
            raise Refusal(422, "a batch has at least one item")
        wait = token.wait(len(batch), self._intake.clock.uptime())
        if wait:
            after = {"Retry-After": str(math.ceil(wait))}
            raise Refusal(429, f"the token {token.name} has used up its rate", after)
        results = self._record(batch, token, scope)
        try:
            await self._intake.kept()
        except StoreError as error:
            # It is held in memory meanwhile: told again with the same id, it counts once.
            why = f"not on disk: {error}; tell it again"
            raise Refusal(503, why, {"Retry-After": "1"}) from error
        return _batch(results) if batch is values else _alone(results[0])

    def _who(self, request: Request, scope: str) -> Token:
        """Whose request it is; Refusal for a stranger, or who may not do this."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        try:
            token = self._tokens.find(given.strip()) if scheme.lower() == "bearer" else None
        except TokenFileError as error:
            self._intake.health.trouble = str(error)
            raise Refusal(503, "tokens can't be checked now", {"Retry-After": "10"}) from error
        self._intake.health.trouble = None
        if token is None:
            why = "a good bearer token is needed: Authorization: Bearer NAME.SECRET"
            raise Refusal(401, why, {"WWW-Authenticate": "Bearer"})
        if scope not in token.scopes:
            bearer = f'Bearer error="insufficient_scope", scope="{scope}"'
            raise Refusal(
                403, f"the token {token.name} is not for {scope}", {"WWW-Authenticate": bearer}
            )
        return token

    def _record(self, values: Sequence[object], token: Token, scope: str) -> list[Result]:
        """Record what is right among the values, and say of each what became of it."""
        kind = _KINDS[scope]
        wall = self._intake.clock.wall()
        events: list[Login | Logout] = []
        results: list[Result] = []
        for value in values:
            result: Result = {}
            try:
                item = read_item(kind, value)
                if item.id is not None:
                    result["id"] = item.id
                event = event_of(item, token, wall)
                if item.id is None or not self._seen.before(f"{scope} {token.name}", item):
                    events.append(event)
                result["status"] = "recorded"
            except ItemError as error:
                result["status"] = "refused"
                result["problem"] = problem(error.status, error.detail)
                if error.member:
                    result["problem"]["member"] = error.member
            results.append(result)
        self._intake.take(events)
        return results


def _read(content_type: str, body: bytes) -> object:
    """The value of a body: lines become a list, a broken one of them a WireError in it."""
    if content_type not in _LINES:
        return read_json(body)
    values: list[object] = []
    for line in body.split(b"\n"):
        if line.strip():
            try:
                values.append(read_json(line))
            except WireError as error:
                values.append(error)
    return values


def _content_type(request: Request) -> str:
    """One that we read; Refusal for others."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if given not in _TYPES or encoding != "identity":
        raise Refusal(415, f"the body must be {', '.join(_TYPES)}, and not compressed")
    return given


def _batch(results: list[Result]) -> Response:
    """All recorded, or a problem: who looks at the status only must not take refused for kept."""
    refused = sum(result["status"] == "refused" for result in results)
    if not refused:
        return json_response({"results": results})
    said = f"{refused} of {len(results)} items refused; the others are recorded"
    return problem_response(problem(422, said) | {"results": results})


def _alone(result: Result) -> Response:
    """The answer to a request of one item that is no batch."""
    if result["status"] == "recorded":
        return json_response(result)
    return problem_response(result["problem"])


def application(settings: HttpSettings, intake: Intake) -> Starlette:
    """What `[[source]]` of this type serves."""
    tokens = Tokens(Path(settings.tokens_file), intake.clock.uptime)
    return assemble(Api(intake, tokens).routes())
