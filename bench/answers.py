"""How near does each answer protocol come to a minimal C server that speaks the same bytes?

As the bench `policy`, whose code this is: the real `poplock run` with 5,000 grants and all answers
configured, against c/epoll.c, under c/load.c, in turns. The line protocol, as Exim's readsocket
speaks it, has a connection for each request on both sides: its requests a second are connections.
Over UDP there is a socket for each of the "connections", and a null loop stands beside WHOSON: what
is left when nothing is read, looked up, counted or checked. There is also a run with clients that
don't sleep: a server that is slower than the generator wakes it once for each batch of replies, and
one that isn't never does.
"""

import socket
import sys
from contextlib import ExitStack

from . import common
from .common import Row, compiled, daemon, fill, place, running
from .forms import FORMS
from .policy import GRANTS, beside_null, figures, in_turns

LEAST = 0.45
WITH_NULL = "whoson over UDP"


def run(quick: bool = False) -> list[Row]:
    rounds, seconds = (3, 0.5) if quick else (9, 1.0)
    ours = {name: common.free_port() for name in FORMS}
    peers = {name: common.free_port() for name in FORMS}
    rows = []
    with place(more="".join(_answer(name, port) for name, port in ours.items())) as here:
        fill(here, GRANTS)
        with daemon(here) as our_pid, ExitStack() as exits:
            pids = {}
            for name, form in FORMS.items():
                command = [compiled("epoll"), peers[name], GRANTS, *form.server_arguments()]
                pids[name] = exits.enter_context(running(command, common.SERVER_CPU))
                if not form.udp:
                    port = peers[name]
                    common.wait_for(lambda port=port: common.listens(port), "the peer")
            null = common.free_port()
            command = [sys.executable, "-m", "bench.null_loop", null, "udp"]
            null_pid = exits.enter_context(running(command, common.SERVER_CPU))
            common.wait_for(lambda: _replies(null), "the null loop")
            for name, form in FORMS.items():
                servers = [(our_pid, ours[name]), (pids[name], peers[name])]
                if name == WITH_NULL:
                    servers.append((null_pid, null))
                for connections in (8, 64):
                    turns = in_turns(servers, rounds, connections, seconds, form)
                    rows += figures(name, connections, LEAST, [(a, c) for a, c, *_ in turns])
                    if name == WITH_NULL:
                        rows.append(beside_null(name, connections, turns))
                    if form.udp:
                        turns = in_turns(
                            servers[:2], rounds, connections, seconds, form, awake=True
                        )
                        called = f"{name}, clients awake:"
                        rows += figures(called, connections, None, [(a, c) for a, c in turns])
    return rows


def _replies(port: int) -> bool:
    """Whether somebody is at that port of UDP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.1)
        sock.connect(("127.0.0.1", port))
        try:
            sock.send(b"QUERY 20.0.0.0")
            return bool(sock.recv(100))
        except OSError:
            return False


def _answer(name: str, port: int) -> str:
    kind, _, over = name.partition(" over ")
    listen = f"{'udp' if over == 'UDP' else 'inet'}:127.0.0.1:{port}"
    zone = 'zone = "relay.example"\n' if kind == "dns" else ""
    return f'[[answer]]\ntype = "{kind}"\nlisten = "{listen}"\npatience = 0\n{zone}'
