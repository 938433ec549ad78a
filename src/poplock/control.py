"""The daemon's control socket: the command line's requests, one JSON object a connection.

Request: `{"verb": "check", ...}` and a newline. Reply: one JSON object a line, the last of them
`{"done": true}` or `{"error": "..."}`. Who may open the socket is decided by its group and mode.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Annotated

import msgspec

from .core.errors import PoplockError, StoreError
from .net.listen import remove_name
from .office import Row

log = logging.getLogger(__name__)

_LONGEST = 65_536  # bytes of a request
_PATIENCE = 30.0  # seconds for a whole conversation, on both sides

MOST_WATCHED = 500
"""Rows of a kind that one look of `poplock watch` may ask for; no terminal has more lines."""

_encode = msgspec.json.Encoder().encode


class Check(msgspec.Struct, tag="check", tag_field="verb"):
    """May this address relay, and why?"""

    ip: str
    sender: str | None = None


class List(msgspec.Struct, tag="list", tag_field="verb"):
    """The live grants."""


class Status(msgspec.Struct, tag="status", tag_field="verb"):
    """How the daemon is."""


class History(msgspec.Struct, tag="history", tag_field="verb"):
    """What happened. `since` in seconds of the epoch."""

    ip: str | None = None
    user: str | None = None
    since: float | None = None
    limit: int = 1000


class Watch(msgspec.Struct, tag="watch", tag_field="verb"):
    """One look: how the daemon is, the grants with the latest logins, and what has happened.

    `after` is what the last reply said; None for the first, which gets the latest deeds.
    """

    after: int | None = None
    grants: Annotated[int, msgspec.Meta(ge=0, le=MOST_WATCHED)] = 0
    deeds: Annotated[int, msgspec.Meta(ge=0, le=MOST_WATCHED)] = 0


class Grant(msgspec.Struct, tag="grant", tag_field="verb"):
    """Give a right by hand."""

    ip: str
    user: str
    seconds: float


class Revoke(msgspec.Struct, tag="revoke", tag_field="verb"):
    """Take rights back; both None means all."""

    ip: str | None = None
    user: str | None = None


class WriteMaps(msgspec.Struct, tag="maps", tag_field="verb"):
    """Write every map anew."""


Request = Check | List | Status | History | Watch | Grant | Revoke | WriteMaps
Handler = Callable[[Request], Awaitable[Iterable[Row]]]

_decode = msgspec.json.Decoder(Request).decode


class ControlServer:
    """Serves `handler` on the socket."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._socket: socket.socket | None = None

    async def start(self, sock: socket.socket) -> None:
        self._socket = sock
        self._server = await asyncio.start_unix_server(self._serve, sock=sock, limit=_LONGEST)

    async def close(self) -> None:
        if self._server is not None and self._socket is not None:
            remove_name(self._socket)
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                request = _decode(await reader.readline())
                for row in await self._handler(request):
                    writer.write(_encode(row) + b"\n")
                    await writer.drain()
                writer.write(b'{"done":true}\n')
                await writer.drain()
        except (msgspec.MsgspecError, ValueError) as error:
            writer.write(_encode({"error": f"not a request: {error}"}) + b"\n")
        except PoplockError as error:
            unavailable = isinstance(error, StoreError)
            writer.write(_encode({"error": str(error), "unavailable": unavailable}) + b"\n")
        except (TimeoutError, ConnectionError):
            log.info("a command on the control socket went away")
        except Exception:
            log.exception("a bug in a command on the control socket")
            writer.write(b'{"error":"internal error; the log of poplock says more"}\n')
        finally:
            writer.close()


class NobodyThereError(Exception):
    """No daemon listens on the control socket."""


def ask(path: Path, request: Request, patience: float = _PATIENCE) -> list[Row]:
    """Send a request to the daemon; NobodyThereError if none runs, PoplockError if it says no."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as sock:
        sock.settimeout(patience)
        try:
            sock.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            raise NobodyThereError from None
        except OSError as error:
            raise PoplockError(
                f"cannot reach the daemon on {path}: {error.strerror}; run as root or as a member"
                " of the group in control.group"
            ) from error
        try:
            sock.sendall(_encode(request) + b"\n")
            with sock.makefile("rb") as lines:
                rows = [msgspec.json.decode(line, type=Row) for line in lines]
        except TimeoutError:
            raise StoreError(f"the daemon on {path} did not answer in {patience:.0f} s") from None
    last = rows.pop() if rows else {"error": "the daemon closed the connection"}
    if last.get("done") is True:
        return rows
    why = str(last.get("error"))
    raise StoreError(why) if last.get("unavailable") else PoplockError(why)
