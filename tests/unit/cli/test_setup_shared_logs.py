"""`poplock setup` for servers with logs of their own: their file, and what must be in it."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from poplock.cli.setup import command
from poplock.core.errors import PoplockError


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("zimbra", "setfacl"),
        ("hmailserver", "debugging off"),
        ("mdaemon", "ID string"),
        ("exchange", "Set-PopSettings"),
    ],
)
def test_the_lines_name_the_file_and_what_must_be_logged(
    tmp_path: Path, name: str, says: str
) -> None:
    config = tmp_path / "poplock.toml"
    config.write_text(
        f'[[source]]\ntype = "file"\npath = "/mnt/{name}.log"\ndialects = ["{name}"]\n'
    )
    result = CliRunner().invoke(command, [name, "--config", str(config)])
    assert result.exit_code == 0, result.output
    assert says in result.stdout
    assert f"poplock parse --dialect {name} /mnt/{name}.log" in result.stdout
    config.write_text('[[source]]\ntype = "spool"\n')
    refused = CliRunner().invoke(command, [name, "--config", str(config)])
    assert isinstance(refused.exception, PoplockError)
    assert f'dialects = ["{name}"]' in str(refused.exception)
