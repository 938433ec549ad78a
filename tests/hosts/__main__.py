"""Plays the site of many hosts and prints what came of it.

python -m tests.hosts logins --count 1000      log in anywhere, relay anywhere, revoke anywhere
python -m tests.hosts failures [WORD...]       what is answered in each failure
"""

from __future__ import annotations

import sys
import time

import click

from . import failures as play_failures
from . import logins as play_logins
from .fleet import Fleet

MODES = ("single", "sentinel", "cluster")


@click.group()
def main() -> None:
    """Many hosts with real servers, as root."""


@main.command()
@click.option("--count", default=1000, show_default=True, help="rounds")
@click.option("--store", "mode", type=click.Choice(MODES), default="single", show_default=True)
@click.option("--flavour", default="redis-bookworm", show_default=True)
@click.option("--at-once", default=play_logins.AT_ONCE, show_default=True, help="rounds at once")
def logins(count: int, mode: str, flavour: str, at_once: int) -> None:
    """Log in on one host and send on the others at once; revoke on one, be refused on all."""
    with Fleet() as fleet, fleet.store(mode, flavour) as store, fleet.serve(store) as crew:
        began = time.monotonic()
        with click.progressbar(length=count, file=sys.stderr) as bar:
            rounds = play_logins.play(crew, count, lambda: bar.update(1), at_once)
        took = time.monotonic() - began
    click.echo(f"{count} rounds with {flavour} ({mode}) in {took:.0f} s, {at_once} at once")
    click.echo(f"refused after a login: {len(rounds.refusals)} of {2 * count}")
    click.echo(f"permitted again after a revocation: {len(rounds.came_back)} of {2 * count}")
    for what, values in (
        ("login's yes to both MTAs' yes", rounds.permits),
        ("revocation's yes to both MTAs' no", rounds.revokes),
    ):
        parts = [f"{1000 * play_logins.share(values, part):.0f}" for part in (0.5, 0.99, 1.0)]
        click.echo(f"{what}: median, p99, longest {', '.join(parts)} ms")
    for wrong in (*rounds.refusals, *rounds.came_back):
        click.echo(wrong)
    if rounds.refusals or rounds.came_back:
        raise SystemExit(1)


@main.command()
@click.argument("words", nargs=-1)
@click.option("--flavour", default="redis-bookworm", show_default=True)
def failures(words: tuple[str, ...], flavour: str) -> None:
    """What each SMTP host says to whom in each failure, in seconds since it began.

    With WORDS, only those that have one of them in their name.
    """
    wrong = 0
    with Fleet() as fleet:
        for mode in MODES:
            wanted = [f for f in play_failures.FAILURES if f.store == mode and _named(f, words)]
            if not wanted:
                continue
            with fleet.store(mode, flavour) as store, fleet.serve(store) as crew:
                for failure in wanted:
                    scene = play_failures.play(crew, failure)
                    click.echo("\n".join(play_failures.table(failure, scene)))
                    for broken in play_failures.broken(scene):
                        click.echo(f"  BROKEN: {broken}")
                        wrong += 1
    if wrong:
        raise SystemExit(1)


def _named(failure: play_failures.Failure, words: tuple[str, ...]) -> bool:
    return not words or any(word in failure.name for word in words)


if __name__ == "__main__":
    main()
