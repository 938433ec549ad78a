"""Log in at one host, relay at once by every other; take it back at one, refused by all.

Each round has a client that nobody has seen. Its user logs in at a POP host and sends at every SMTP
host as soon as the server has said yes; then an operator revokes on one of the hosts, and the
SMTP hosts are asked until all refuse.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from .fleet import HOSTS, POPS, SMTPS, Crew

AT_ONCE = 4
_PATIENCE = 20.0  # seconds until a revocation counts as one that never arrived


@dataclass
class Rounds:
    """What came of all rounds. Seconds."""

    refusals: list[str] = field(default_factory=list)
    """Logins whose mail was refused, in words."""
    permits: list[float] = field(default_factory=list)
    """From the POP server's yes to that of the last MTA, which were asked one after the other."""
    revokes: list[float] = field(default_factory=list)
    """From the confirmation of a revocation until every MTA has refused. An MTA is told "no grant"
    only after poplock has waited for a login that may be on its way (`patience`, 0.25 s)."""
    came_back: list[str] = field(default_factory=list)
    """Permits after a refusal."""


def play(
    crew: Crew, count: int, progress: Callable[[], None] = lambda: None, at_once: int = AT_ONCE
) -> Rounds:
    """So many rounds, by each POP host in turn and each host's operator in turn."""
    rounds = Rounds()

    def one(number: int) -> None:
        pop = POPS[number % len(POPS)]
        operator = HOSTS[number // len(POPS) % len(HOSTS)]
        _round(crew, pop, operator, crew.fleet.client(), rounds)
        progress()

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(one, range(count)))
    return rounds


def _round(crew: Crew, pop: str, operator: str, client: str, rounds: Rounds) -> None:
    fleet = crew.fleet
    fleet.log_in(pop, client)
    began = time.monotonic()
    for smtp in SMTPS:
        answer = fleet.relay(smtp, client)
        if answer != "permit":
            rounds.refusals.append(f"{client} logged in on {pop}, then {smtp} said {answer}")
    rounds.permits.append(time.monotonic() - began)
    if not crew.revoke(operator, client):
        raise AssertionError(f"{operator} could not revoke {client}\n{crew.log()}")
    began = time.monotonic()
    with ThreadPoolExecutor(len(SMTPS)) as pool:
        refused = list(pool.map(partial(_refuses, rounds, crew, client), SMTPS))
    rounds.revokes.append(max(refused) - began)


def _refuses(rounds: Rounds, crew: Crew, client: str, smtp: str) -> float:
    """When the MTA has refused; asked once more, it has to do so again."""
    deadline = time.monotonic() + _PATIENCE
    while crew.fleet.relay(smtp, client) != "none":
        if time.monotonic() > deadline:
            raise AssertionError(f"{client} was revoked, {smtp} permits\n{crew.log()}")
    refused = time.monotonic()
    if crew.fleet.relay(smtp, client) != "none":
        rounds.came_back.append(f"{client} was refused and then permitted on {smtp}")
    return refused


def share(values: Sequence[float], part: float) -> float:
    """The value that this part of all doesn't exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
