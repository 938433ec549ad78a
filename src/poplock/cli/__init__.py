"""The command line: one verb a file, imported when it is used.

A verb's module has a click command named `command`. Exit statuses are those of sysexits(3) where
one fits: 75 the store can't be asked, 78 the configuration is wrong.
"""

from importlib import import_module

import click

from .. import __version__
from ..core.errors import EX_CONFIG, EX_TEMPFAIL, ConfigError, PoplockError, StoreError

VERBS = {
    "run": "run",
    "demo": "demo",
    "check": "check",
    "list": "list",
    "status": "status",
    "history": "history",
    "watch": "watch",
    "grant": "grant",
    "revoke": "revoke",
    "parse": "parse",
    "replay": "replay",
    "setup": "setup",
    "doctor": "doctor",
    "token": "token",
    "config": "config",
    "maps": "maps",
    "store": "store",
}


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f".{VERBS[cmd_name]}", __name__).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            close = get_close_matches(args[0], VERBS, n=1)
            if not close:
                raise
            message = f"{error.message} Did you mean {close[0]!r}?"
            raise click.UsageError(message, ctx) from error


@click.command(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="poplock")
def _poplock() -> None:
    """POP/IMAP-before-SMTP: a login earns an address an hour of relaying."""


def main() -> None:
    """Run a verb; errors become one line on standard error and an exit status."""
    try:
        _poplock(prog_name="poplock", standalone_mode=True)
    except PoplockError as error:
        click.echo(f"poplock: {error}", err=True)
        match error:
            case ConfigError():
                raise SystemExit(EX_CONFIG) from None
            case StoreError():
                raise SystemExit(EX_TEMPFAIL) from None
            case _:
                raise SystemExit(1) from None
