"""What several verbs share: their options, the way to the daemon or the store, and printing."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ..config import Config, load_config
from ..config.duration import Duration
from ..core.errors import StoreError
from ..office import Office, Row

if TYPE_CHECKING:
    from ..authorizer import Authorizer
    from ..stores import Store

DEFAULT_CONFIG = "/etc/poplock/poplock.toml"

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

config_option: Decorator = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    envvar="POPLOCK_CONFIG",
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The configuration file, also $POPLOCK_CONFIG.",
)

json_option: Decorator = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line."
)


class DurationType(click.ParamType[Duration]):
    """`90s`, `30m`, `24h`, `7d` or plain seconds."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Duration:
        text = str(value)
        try:
            return Duration.read(int(text) if text.isdecimal() else text)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class SinceType(click.ParamType[float]):
    """A duration back from now, or a date and time (RFC 3339; UTC where no zone stands)."""

    name = "since"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        text = str(value)
        now = datetime.now(UTC).timestamp()
        if re.fullmatch(r"\d+[smhd]?", text):
            return now - DurationType().convert(text, param, ctx)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f'{text!r} is neither like "24h" nor like "2026-11-24T10:00:00Z"', param, ctx)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@contextmanager
def local_office(config: Config, *, write: bool) -> Iterator[Office]:
    """The verbs on the store itself, for when no daemon runs; commits at the end.

    With a store that hosts share, that is asked, and told of what was committed.
    """
    from ..daemon import make_authorizer
    from ..stores.sqlite import SqliteStore

    path = Path(config.store.path)
    if not write and not path.exists():
        raise StoreError(
            f"no daemon listens on {config.control.path} and there is no store {path} yet;"
            " start it with 'poplock run', or name the right configuration with --config"
        )
    authorizer = make_authorizer(config)
    store = SqliteStore(path, write=write)
    try:
        if config.shared is None:
            authorizer.load(store)
            yield Office(authorizer, store)
            _commit(authorizer, store)
        else:
            from ..offline import OfflineOffice  # of the extra `redis`

            office = OfflineOffice(config.shared, authorizer, store)
            authorizer.load(store)
            yield office
            _commit(authorizer, store)
            office.tell()
    finally:
        store.close()


def _commit(authorizer: "Authorizer", store: "Store") -> None:
    if authorizer.pending:
        store.commit(authorizer.take_pending(), authorizer.mark())


def load(config_path: Path) -> Config:
    """The configuration, or ConfigError."""
    return load_config(config_path)


def note_no_daemon(config: Config) -> None:
    """Tell people, not programs, that the answer is the store's."""
    click.echo(
        f"poplock: no daemon listens on {config.control.path}; this is what the store says",
        err=True,
    )


def show(rows: Iterable[Row], columns: Sequence[str], *, as_json: bool, nothing: str) -> int:
    """Print rows as JSON, as a table on a terminal, else with tabs between; returns how many."""
    count = 0
    if as_json:
        encode = msgspec.json.Encoder().encode
        for row in rows:
            sys.stdout.write(encode(row).decode() + "\n")
            count += 1
        return count
    rows = list(rows)
    if not rows:
        click.echo(nothing, err=True)
        return 0
    if sys.stdout.isatty():
        _table(rows, columns)
    else:
        for row in rows:
            sys.stdout.write("\t".join(cell(row.get(c)) for c in columns) + "\n")
    return len(rows)


def _table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        # Text, not markup: user names are written by strangers.
        table.add_row(*(Text(cell(row.get(column))) for column in columns))
    Console().print(table)


def cell(value: object) -> str:
    """A value for people: control characters of strangers don't reach the terminal."""
    text = "-" if value is None else str(value)
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
