"""`poplock token NAME`: a bearer token for the HTTP source, printed once."""

import os
from pathlib import Path

import click

from ..config.sources import HttpSettings
from ..core.errors import PoplockError
from ..sources.tokens import SCOPES, is_name, make_token, parse
from .common import config_option, load


@click.command("token")
@click.argument("name")
@click.option("--scope", default="logins", show_default=True, help=f"Of {', '.join(SCOPES)}.")
@click.option("--rate", help='The most items, as "100/s", "60/m" or "10/h"  [default: 1000/s]')
@click.option("--network", "networks", multiple=True, help="Only of clients in this network.")
@click.option("--user", "users", multiple=True, help='Only of users like this: "*@example.org".')
@click.option("--replace", is_flag=True, help="Take the place of the token of this name.")
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    help="The tokens' file; by default that of the configuration's http source.",
)
@config_option
def command(
    name: str,
    scope: str,
    rate: str | None,
    networks: tuple[str, ...],
    users: tuple[str, ...],
    replace: bool,
    path: Path | None,
    config_path: Path,
) -> None:
    """Make a bearer token for the HTTP source and print it, once: only its hash is kept.

    A running daemon knows it within a second. To take one back, take its line out of the file.

    \b
    Example:
      poplock token webmail --scope logins,logouts --rate 100/s
    """
    if not is_name(name):
        raise PoplockError(f"{name!r} is no name: letters, digits, _ and -, at most 32")
    path = path or _tokens_file(config_path)
    token, kept = make_token(name)
    words = [name, scope, kept]
    words += [f"rate={rate}"] if rate else []
    words += [f"networks={','.join(networks)}"] if networks else []
    words += [f"users={','.join(users)}"] if users else []
    _put(path, name, " ".join(words), replace=replace)
    click.echo(token)


def _tokens_file(config_path: Path) -> Path:
    """Where the configuration says that tokens stand."""
    for source in load(config_path).source:
        if isinstance(source, HttpSettings):
            return Path(source.tokens_file)
    raise PoplockError(
        "the configuration has no source for the HTTP API; add to it:\n\n"
        '[[source]]\ntype = "http"\nlisten = ["inet:127.0.0.1:4080"]\n'
        'tokens_file = "/etc/poplock/tokens"\n\nor name the file with --file'
    )


def _put(path: Path, name: str, line: str, *, replace: bool) -> None:
    """Write the line into the file, whole or not at all."""
    try:
        text = path.read_text() if path.exists() else "# name  may  hash  what else\n"
        if name in parse(text):
            if not replace:
                raise PoplockError(f"{path} has a token {name} already; --replace makes it anew")
            lines = text.splitlines(keepends=True)
            text = "".join(old for old in lines if old.split()[:1] != [name])
        text += ("" if text.endswith("\n") or not text else "\n") + line + "\n"
        parse(text)
        _write(path, text)
    except ValueError as error:
        raise PoplockError(f"{path}: {error}") from None
    except OSError as error:
        raise PoplockError(f"cannot write {path}: {error.strerror}") from error


def _write(path: Path, text: str) -> None:
    """A new file in the place of the old one, with its mode and owner."""
    new = path.with_name(f".{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o640)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        info = path.stat()
        new.chmod(info.st_mode & 0o777)
        os.chown(new, info.st_uid, info.st_gid)
    new.replace(path)
