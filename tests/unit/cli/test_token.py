"""`poplock token`: printed once, kept as a hash, understood by who reads the file."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from poplock.cli.token import command
from poplock.core.errors import PoplockError
from poplock.sources.tokens import Tokens, parse

CONFIG = '[[source]]\ntype = "http"\nlisten = ["inet:127.0.0.1:4080"]\ntokens_file = "{}"\n'


def run(config: Path, *words: str) -> Result:
    return CliRunner().invoke(command, [*words, "--config", str(config)], catch_exceptions=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "poplock.toml"
    path.write_text(CONFIG.format(tmp_path / "tokens"))
    return path


def test_the_token_is_good_and_its_secret_is_not_in_the_file(config: Path) -> None:
    token = run(config, "vpn", "--scope", "logins,logouts", "--rate", "60/m").stdout.strip()
    file = config.parent / "tokens"
    found = Tokens(file, float).find(token)
    assert found is not None
    assert (found.scopes, found.rate) == ({"logins", "logouts"}, 1.0)
    assert token.partition(".")[2] not in file.read_text()
    assert file.stat().st_mode & 0o007 == 0


def test_networks_and_users_are_kept(config: Path) -> None:
    run(config, "vpn", "--network", "203.0.113.0/24", "--network", "::/0", "--user", "*@x.org")
    (token,) = parse((config.parent / "tokens").read_text()).values()
    assert token.networks is not None and len(token.networks.networks) == 2
    assert token.users == ("*@x.org",)


def test_a_name_that_is_taken_stays_unless_it_is_to_be_replaced(config: Path) -> None:
    first = run(config, "vpn").stdout.strip()
    run(config, "web")
    with pytest.raises(PoplockError, match="--replace"):
        run(config, "vpn")
    second = run(config, "vpn", "--replace").stdout.strip()
    tokens = Tokens(config.parent / "tokens", float)
    assert tokens.find(first) is None
    assert tokens.find(second) is not None
    assert set(parse((config.parent / "tokens").read_text())) == {"vpn", "web"}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("v/n",), "no name"),
        (("vpn", "--scope", "everything"), "no scope 'everything'"),
        (("vpn", "--rate", "9"), "no rate"),
        (("vpn", "--network", "203.0.113.1/24"), "host bits"),
    ],
)
def test_what_cannot_be_meant_leaves_the_file_as_it_was(
    config: Path, words: tuple[str, ...], why: str
) -> None:
    run(config, "web")
    before = (config.parent / "tokens").read_text()
    with pytest.raises(PoplockError, match=why):
        run(config, *words)
    assert (config.parent / "tokens").read_text() == before


def test_without_an_http_source_it_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "poplock.toml").write_text("")
    with pytest.raises(PoplockError, match="no source for the HTTP API"):
        run(tmp_path / "poplock.toml", "vpn")
