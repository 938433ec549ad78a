"""The story of `poplock demo` with real servers: Dovecot, Postfix, and poplock between them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from poplock.cli.demo import demo_config, perform, wait_until_ready
from poplock.cli.setup.postfix import lines as postfix_lines
from poplock.config.load import parse_config
from poplock.control import Check, ask
from poplock.office import Row

from . import clients, servers
from .host import Host, end
from .printed import files, parameters
from .roots import TestbedError


class RealStage:
    """What `poplock.cli.demo.Stage` asks for, by real clients of real servers."""

    address = "203.0.113.5"
    neighbour = "203.0.113.6"
    user = "alice"

    def __init__(self, host: Host, control: Path) -> None:
        self._host = host
        self._control = control
        self.cast = (
            f"The cast, all real: Dovecot and Postfix of Debian {host.release}, clients on a\n"
            "network of their own, and poplock, which reads the mail log and answers Postfix."
        )

    def log_in(self, password_is_right: bool) -> None:
        clients.log_in(
            self._host,
            self.address,
            service="imap",
            user=self.user,
            right=password_is_right,
        )

    def relay(self, address: str) -> tuple[bool, str]:
        code, text = clients.rcpt(self._host, address)
        return code == 250, f"Postfix says {code} {text}"

    def check(self, address: str) -> Row:
        (row,) = ask(self._control, Check(address))
        return row


def relay_restrictions(config_text: str) -> str:
    """The value of smtpd_relay_restrictions that `poplock setup postfix` prints."""
    printed = files(postfix_lines(parse_config(config_text, "poplock.toml")))
    return parameters(printed["/etc/postfix/main.cf"])["smtpd_relay_restrictions"]


@contextmanager
def stage(release: str) -> Iterator[RealStage]:
    """Servers, daemon and clients, until the block ends."""
    with Host(release, servers.DOVECOT_POSTFIX, servers.PREPARE_POSTFIX) as host:
        servers.start_rsyslog(host)
        servers.start_dovecot(host)
        folder = host.shared / "poplock"
        folder.mkdir()
        text = demo_config(folder, host.shared / "log" / "mail-rfc3339.log", "inet:127.0.0.1:10031")
        config = folder / "poplock.toml"
        config.write_text(text)
        servers.start_postfix(host, {"smtpd_relay_restrictions": relay_restrictions(text)})
        log = folder / "poplock.log"
        with log.open("wb") as errors:
            command = [sys.executable, "-m", "poplock", "run", "--config", str(config)]
            child = host.popen(command, inside=False, stdout=errors, stderr=errors)
            try:
                wait_until_ready(folder / "control.sock", child, log)
                yield RealStage(host, folder / "control.sock")
            finally:
                end(child)


@click.command()
@click.option("--release", type=click.Choice(["bookworm", "trixie"]), default=None)
def main(release: str | None) -> None:
    """Play the story; by default on the Debian release of this machine."""
    if release is None:
        version = Path("/etc/debian_version").read_text()
        release = "trixie" if version.startswith(("13", "trixie")) else "bookworm"
    click.echo(f"Raising the curtain: Debian {release} with Dovecot and Postfix ...", err=True)
    try:
        with stage(release) as real:
            perform(real)
    except TestbedError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
