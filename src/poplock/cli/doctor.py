"""`poplock doctor`: is the installation as it should be?"""

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import click
import msgspec

from ..config import Config
from ..control import History, List, NobodyThereError, Status, ask
from ..doctor import Finding, Site, examine
from ..doctor import relay as relay_check
from ..doctor.site import Level
from ..office import Row
from .common import cell, config_option, json_option, load

_DAY = 86_400.0
_MARKS = {Level.WELL: ("ok  ", "green"), Level.LOOK: ("look", "yellow"), Level.BAD: ("BAD ", "red")}


class ServerType(click.ParamType[tuple[str, int]]):
    """`mx.example.org`, `192.0.2.1:25`, `[2001:db8::1]:25`."""

    name = "host[:port]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        text = str(value)
        host, _, port = text.rpartition(":")
        if text.startswith("[") and "]" in text:
            host, _, port = text[1:].partition("]")
            port = port.lstrip(":")
        elif text.count(":") != 1:
            host, port = text, ""
        if port and not (port.isdecimal() and 1 <= int(port) <= 65_535):
            self.fail(f"{port!r} is no port", param, ctx)
        return host, int(port or 25)


@click.command("doctor")
@click.option(
    "--relay",
    type=ServerType(),
    default="127.0.0.1",
    show_default=True,
    help="The SMTP server that the open-relay test asks.",
)
@click.option("--from", "source", metavar="ADDRESS", help="The address that the test comes from.")
@click.option("--domain", help="A domain the server is responsible for. Default: /etc/mailname.")
@click.option("--no-relay", is_flag=True, help="Leave the open-relay test out.")
@json_option
@config_option
def command(
    relay: tuple[str, int],
    source: str | None,
    domain: str | None,
    no_relay: bool,
    as_json: bool,
    config_path: Path,
) -> None:
    """Look at the installation from outside: daemon, sources, maps, the MTA, open relay or not.

    Changes nothing and sends no mail. As root it sees more. Exit status: 0 all well, 1 else.

    \b
    Examples:
      poplock doctor
      poplock doctor --relay mx.example.org      # from a host outside
    """
    site = _site(load(config_path), config_path)
    worst = False
    for finding in _findings(site, relay, source, domain, no_relay):
        worst = worst or finding.level is Level.BAD
        if as_json:
            click.echo(msgspec.json.encode(asdict(finding)))
        else:
            _tell(finding)
    raise SystemExit(1 if worst else 0)


def _site(config: Config, config_path: Path) -> Site:
    """What the daemon says; without one, what the files say."""
    control = Path(config.control.path)
    status: Row | None = None
    grants: list[Row] = []
    history: list[Row] = []
    with suppress(NobodyThereError):
        (status,) = ask(control, Status())
        grants = ask(control, List())
        history = ask(control, History(since=_a_day_ago(), limit=10_000))
    return Site(config, config_path, status, grants, history)


def _a_day_ago() -> float:
    from time import time

    return time() - _DAY


def _findings(
    site: Site,
    relay: tuple[str, int],
    source: str | None,
    domain: str | None,
    no_relay: bool,
) -> Iterator[Finding]:
    yield from examine(site)
    if not no_relay:
        own = domain or (site.read("/etc/mailname") or "localhost").strip()
        yield from relay_check.check(relay, source, own, _progress)


def _progress(done: int, of: int) -> None:
    """One line that moves, on a terminal only."""
    if sys.stderr.isatty():
        end = "\r" + " " * 40 + "\r" if done == of else ""
        click.echo(f"\ropen-relay test: {done} of {of}{end}", err=True, nl=False)


def _tell(finding: Finding) -> None:
    mark, colour = _MARKS[finding.level]
    click.echo(f"{click.style(mark, fg=colour)}  {cell(finding.where)}: {cell(finding.what)}")
    if finding.mend:
        click.echo(f"      -> {cell(finding.mend)}")
