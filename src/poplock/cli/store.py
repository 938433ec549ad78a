"""`poplock store copy`: from one host to several and back, without a gap."""

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from ..config import Config
from ..config.shared import SharedSection
from ..core.errors import ConfigError, PoplockError
from .common import config_option, json_option, load

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ..copying import End, Outcome, Watch

_SHARED = "shared"
_SAID_EACH = 5.0  # seconds between two lines where nobody watches a bar


@click.group("store")
def command() -> None:
    """Move what stores hold."""


@command.command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--host", help="Whose file a PATH is, as in [shared] host.")
@json_option
@config_option
def copy_(source: str, target: str, host: str | None, as_json: bool, config_path: Path) -> None:
    """Copy live grants and revocations from one store into another, and verify that they are there.

    FROM and TO are the PATH of a SQLite store, "shared" for the [shared] of the configuration, or
    "shared:FILE" for that of another one. What TO holds stays: both are merged. Run it again after
    an interruption, or to fetch what came meanwhile. FROM may be in use; a file that is copied to
    may not.

    \b
    Examples:
      poplock store copy /var/lib/poplock/poplock.db shared
      poplock store copy shared /var/lib/poplock/poplock.db
      poplock store copy shared shared:/etc/poplock/new-redis.toml
    """
    config = load(config_path)
    started = time.monotonic()
    with _watch() as watch:
        outcome, titles = asyncio.run(_copy(config, source, target, host, watch))
    seconds = time.monotonic() - started
    if as_json:
        row = {"from": titles[0], "to": titles[1]} | {
            name: getattr(outcome, name) for name in outcome.__slots__
        }
        click.echo(msgspec.json.encode(row | {"seconds": round(seconds, 3)}))
    else:
        _tell(outcome, titles, seconds)


async def _copy(
    config: Config, source: str, target: str, host: str | None, watch: "Watch"
) -> "tuple[Outcome, tuple[str, str]]":
    from ..copying import SharedEnd, copy

    async with AsyncExitStack() as exits:
        ends: list[End] = []
        _refuse_same_file(source, target)
        shared = [*filter(None, (_settings(config, name) for name in (source, target)))]
        one_of = shared[0] if shared else config.shared or SharedSection(nodes=())
        for name, write in ((source, False), (target, True)):
            end = _end(config, name, host, one_of, write)
            exits.push_async_callback(end.close)
            if isinstance(end, SharedEnd):
                await end.open(write=write)
                _warn_of_skew(end.skew, end.title)
            ends.append(end)
        one, other = ends
        if isinstance(one, SharedEnd) and isinstance(other, SharedEnd) and one.epoch == other.epoch:
            raise PoplockError(f"FROM and TO are the same: {one.title}")
        return await copy(one, other, watch), (one.title, other.title)


def _end(config: Config, name: str, host: str | None, shared: SharedSection, write: bool) -> "End":
    from ..copying import FileEnd, SharedEnd
    from ..daemon import make_authorizer

    life = make_authorizer(config).policy.longest_life
    settings = _settings(config, name)
    if settings is not None:
        return SharedEnd(settings, life=life)
    path = Path(name)
    own = path.resolve() == Path(config.store.path).resolve()
    whose = host or (shared.host_name if own else f"{shared.host_name}:{path.resolve()}")
    return FileEnd(path, host=whose, life=life, write=write)


def _settings(config: Config, name: str) -> SharedSection | None:
    """The [shared] that is meant; None for a file."""
    kind, colon, path = name.partition(":")
    if kind != _SHARED:
        return None
    chosen = load(Path(path)) if colon else config
    if chosen.shared is None:
        which = path or "the configuration (--config)"
        raise ConfigError(f"{which} has no [shared]; for a file of that name, write ./{name}")
    return chosen.shared


def _refuse_same_file(source: str, target: str) -> None:
    paths = [Path(name) for name in (source, target) if name.partition(":")[0] != _SHARED]
    if len(paths) == 2 and (
        paths[0].resolve() == paths[1].resolve()
        or (all(path.exists() for path in paths) and paths[0].samefile(paths[1]))
    ):
        raise PoplockError(f"FROM and TO are the same: {source}")


def _warn_of_skew(skew: float, title: str) -> None:
    if abs(skew) >= 1:
        way = "behind" if skew > 0 else "ahead of"
        click.echo(
            f"poplock: this host's clock is {abs(skew):.0f} s {way} that of {title}; set it right"
            " (NTP), or rights in a file here end earlier or later than they should",
            err=True,
        )


def _tell(outcome: "Outcome", titles: tuple[str, str], seconds: float) -> None:
    source, target = titles
    click.echo(
        f"{source}: {outcome.grants} live grants, {outcome.revocations} revocations\n"
        f"copied: {outcome.copied} grants, {outcome.revoked} revocations in {seconds:.1f} s;"
        f" {max(outcome.grants - outcome.copied, 0)} grants were there already\n"
        f"{target}: {outcome.there} live grants"
    )
    if outcome.apart:
        click.echo(f"times were moved by {outcome.apart:+.0f} s: the clocks are that far apart")
    if outcome.late:
        click.echo(f"verified, but for {outcome.late} that came meanwhile: run it again")
    else:
        click.echo("verified: nothing is lacking")


@contextmanager
def _watch() -> "Iterator[Watch]":
    """A bar on a terminal, else a line now and then."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(None),
        TextColumn("{task.fields[grants]:,} grants  {task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bar(progress)


class _Rate:
    """Grants, and how many a second."""

    def restart(self) -> None:
        self.began, self.grants = time.monotonic(), 0

    @property
    def value(self) -> float:
        return self.grants / max(time.monotonic() - self.began, 0.001)


class _Bar(_Rate):
    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def begin(self, doing: str, steps: int) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        self.restart()
        self._task = self._progress.add_task(doing, total=steps, grants=0, rate=0.0)

    def advance(self, steps: int, grants: int) -> None:
        self.grants += grants
        if self._task is not None:
            self._progress.update(self._task, advance=steps, grants=self.grants, rate=self.value)


class _Lines(_Rate):
    def begin(self, doing: str, steps: int) -> None:
        self.restart()
        self._doing, self._steps, self._done = doing, steps, 0
        self._said = self.began

    def advance(self, steps: int, grants: int) -> None:
        self.grants += grants
        self._done += steps
        now = time.monotonic()
        if now - self._said >= _SAID_EACH:
            self._said = now
            part = 100 * self._done // max(self._steps, 1)
            click.echo(
                f"poplock: {self._doing}: {self.grants} grants, {part} %, {self.value:.0f}/s",
                err=True,
            )
