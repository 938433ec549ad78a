"""The least server on uvicorn and starlette that could answer as the HTTP API does.

It parses the JSON and says "recorded" to each item: no token, no check, no policy, no grant, no
disk. As fast as a server on these libraries can be.
"""

import json
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def logins(request: Request) -> JSONResponse:
    value = json.loads(await request.body())
    if isinstance(value, list):
        return JSONResponse({"results": [{"id": v["id"], "status": "recorded"} for v in value]})
    return JSONResponse({"id": value["id"], "status": "recorded"})


app = Starlette(routes=[Route("/v1/logins", logins, methods=["POST"])])

if __name__ == "__main__":
    port = int(sys.argv[1])
    uvicorn.run(
        app,
        port=port,
        http="h11",
        loop="uvloop",
        log_level="error",
        access_log=False,
        proxy_headers=False,
    )
