"""What the HTTP sources share: bodies with a limit, errors as problem+json (RFC 9457), keys.

A source gives routes; a refusal is an exception that says which status and why. A peer never sees
more of an error than that.
"""

import hmac
import logging
from base64 import b64decode
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ..core.errors import StoreError, WireError

log = logging.getLogger(__name__)

encode = msgspec.json.Encoder().encode


class Refusal(Exception):
    """A request that isn't granted: becomes a problem with this status."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def problem(status: int, detail: str) -> dict[str, Any]:
    """The members of a problem, as in RFC 9457; of type about:blank, so the status is the type."""
    return {"status": status, "title": HTTPStatus(status).phrase, "detail": detail}


def json_response(value: object, status: int = 200) -> Response:
    return Response(encode(value), status, media_type="application/json")


def problem_response(value: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return Response(encode(value), value["status"], headers, "application/problem+json")


def _refusal(error: Refusal) -> Response:
    return problem_response(problem(error.status, error.detail), error.headers)


def assemble(routes: Sequence[Route]) -> Starlette:
    """The routes, with every error a problem."""

    async def refused(request: Request, error: Any) -> Response:
        return _refusal(error)

    async def no_route(request: Request, error: Any) -> Response:
        detail = {404: "there is nothing here", 405: "this method is not for this address"}
        why = detail.get(error.status_code, str(error.detail))
        return _refusal(Refusal(error.status_code, why, error.headers))

    async def broken(request: Request, error: Any) -> Response:
        return _refusal(Refusal(400, str(error)))

    async def store_down(request: Request, error: Any) -> Response:
        return _refusal(Refusal(503, f"not on disk: {error}", {"Retry-After": "1"}))

    async def gone(request: Request, error: Any) -> Response:
        return Response(status_code=400)  # to nobody

    async def bug(request: Request, error: Any) -> Response:
        return _refusal(Refusal(500, "an error of poplock's own; its log says more"))

    return Starlette(
        routes=routes,
        exception_handlers={
            Refusal: refused,
            WireError: broken,
            StoreError: store_down,
            HTTPException: no_route,
            ClientDisconnect: gone,
            Exception: bug,
        },
    )


async def read_body(request: Request, most: int) -> bytes:
    """The body, or Refusal where it is larger than `most`: known before it is collected."""
    too_large = Refusal(413, f"a body has at most {most} bytes here")
    length = request.headers.get("content-length", "0")
    if int(length) > most:  # h11 has seen to it that it is a number
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise too_large
    return bytes(body)


class Key:
    """A secret that the peers share with us; compared in constant time."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def check(self, request: Request) -> None:
        """Refusal unless the request has the key in one of the places for it."""
        given = request.headers.get("x-api-key")
        scheme, _, rest = request.headers.get("authorization", "").partition(" ")
        if given is None and scheme.lower() == "bearer":
            given = rest.strip()
        elif given is None and scheme.lower() == "basic":
            given = _password(rest)
        if given is None or not hmac.compare_digest(given.encode(), self._secret):
            where = "X-API-Key, or Authorization (Bearer, or Basic with the key as password)"
            raise Refusal(
                401, f"the key is wrong or missing: {where}", {"WWW-Authenticate": "Basic"}
            )


def read_key(path: str | None) -> Key | None:
    """The key in the first line of a file."""
    return None if path is None else Key(Path(path).read_bytes().partition(b"\n")[0].strip())


def _password(basic: str) -> str | None:
    try:
        return b64decode(basic, validate=True).decode().partition(":")[2]
    except ValueError:
        return None
