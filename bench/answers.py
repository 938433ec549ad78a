"""How near does each answer protocol come to a minimal C server that speaks the same bytes?

As the bench `policy`, whose code this is: the real `poplock run` with 5,000 grants and all answers
configured, against c/epoll.c, under c/load.c, in turns. The line protocol, as Exim's readsocket
speaks it, has a connection for each request on both sides: its requests a second are connections.
Over UDP there is a socket for each of the "connections".
"""

from contextlib import ExitStack

from . import common
from .common import Row, compiled, daemon, fill, place, running
from .forms import FORMS
from .policy import GRANTS, Turn, figures, loaded

LEAST = 0.45


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
            for name, form in FORMS.items():
                for connections in (8, 64):
                    turns: list[Turn] = []
                    for _ in range(rounds):
                        a = loaded(our_pid, ours[name], connections, seconds, form)
                        c = loaded(pids[name], peers[name], connections, seconds, form)
                        turns.append((a, c))
                    rows += figures(name, connections, LEAST, turns)
    return rows


def _answer(name: str, port: int) -> str:
    kind, _, over = name.partition(" over ")
    listen = f"{'udp' if over == 'UDP' else 'inet'}:127.0.0.1:{port}"
    zone = 'zone = "relay.example"\n' if kind == "dns" else ""
    return f'[[answer]]\ntype = "{kind}"\nlisten = "{listen}"\npatience = 0\n{zone}'
