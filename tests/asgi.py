"""Asks an ASGI application as a server would, without one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def is_problem(self) -> bool:
        kind = self.headers["content-type"]
        return kind == "application/problem+json" and self.json["status"] == self.status


async def ask(
    app: Any,
    path: str,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    method: str = "POST",
    query: str = "",
    cut: int = 0,
) -> Reply:
    """One request. A `body` that isn't bytes goes as JSON; with `cut`, in pieces of that size."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"content-type": "application/json", "content-length": str(len(data))}
    given |= {name.lower(): value for name, value in (headers or {}).items()}
    size = cut or max(len(data), 1)
    pieces = [data[i : i + size] for i in range(0, len(data), size)] or [b""]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 4711),
        "server": ("127.0.0.1", 80),
    }
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        piece = pieces.pop(0) if pieces else b""
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    await app(scope, receive, send)
    start, *rest = said
    headers_back = {name.decode(): value.decode() for name, value in start["headers"]}
    return Reply(start["status"], headers_back, b"".join(m.get("body", b"") for m in rest))
