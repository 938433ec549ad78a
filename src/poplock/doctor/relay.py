"""The open-relay self-test, as one finding a form that was accepted.

From where the test comes decides what it can show: an address that the server trusts anyway (its
own networks, loopback usually) may relay, and so may one that holds a grant. Both are noticed by
the plainest form, and said instead of a false alarm.
"""

import socket
from collections.abc import Callable, Iterator

from ..core.errors import PoplockError
from ..relaytest import Connect, Form, Result, forms, try_forms
from .site import Finding, bad, look, well

_CONNECT = 10.0  # seconds

Progress = Callable[[int, int], None]


def check(
    server: tuple[str, int], source: str | None, domain: str, progress: Progress
) -> Iterator[Finding]:
    """Offer every form to a server; `progress` is told how many are done, of how many."""

    def connect() -> socket.socket:
        return socket.create_connection(server, _CONNECT, (source, 0) if source else None)

    return offer(connect, server, source, domain, progress)


def offer(
    connect: Connect, server: tuple[str, int], source: str | None, domain: str, progress: Progress
) -> Iterator[Finding]:
    """The same over connections that somebody else makes."""
    host, port = server
    where = f"open relay? {host} port {port}"
    every = forms(domain, host if _literal(host) else "127.0.0.1")
    results: list[Result] = []
    try:
        for result in try_forms(connect, every):
            results.append(result)
            progress(len(results), len(every))
            if len(results) == 1 and result.accepted:
                yield _trusted(where, source, result.form)
                return
    except (PoplockError, OSError) as error:
        yield look(where, f"{error}", "name the server: poplock doctor --relay HOST:PORT")
        return
    opened = [r for r in results if r.accepted]
    for result in opened:
        yield bad(
            where,
            f"{result.form.name}: RCPT TO:{result.form.recipient} was accepted ({result.code})",
            "an open relay, or a mailbox for any strange name: try what becomes of it",
        )
    if not opened:
        yield well(where, f"{len(results)} forms tried, all refused")


def _trusted(where: str, source: str | None, form: Form) -> Finding:
    return look(
        where,
        f"the server lets {source or 'this address'} relay ({form.name} form was accepted): it is"
        " among its own networks, or holds a grant; or the server relays for everybody",
        "test from outside: run 'poplock doctor --relay HOST' on another host, or give --from an"
        " address of this host that is not trusted",
    )


def _literal(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except OSError:
        return False
    return True
