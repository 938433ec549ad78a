"""`poplock setup NAME`: lines for what the configuration has, or what it lacks."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from poplock.cli.setup import NAMES, command


def run(tmp_path: Path, name: str, text: str) -> tuple[int, str]:
    path = tmp_path / "poplock.toml"
    path.write_text(text)
    result = CliRunner().invoke(command, [name, "--config", str(path)])
    return result.exit_code, result.output + str(result.exception or "")


@pytest.mark.parametrize("name", NAMES)
def test_a_configuration_that_lacks_the_server_is_told_what_to_add(
    tmp_path: Path, name: str
) -> None:
    status, output = run(tmp_path, name, "")
    assert status != 0
    assert 'type = "' in output or 'listen = "' in output


@pytest.mark.parametrize(
    ("name", "dialect", "says"),
    [
        ("dovecot", "dovecot", "doveadm log find"),
        ("courier", "courier", "/var/log/pop.log"),
        ("uw-imap", "uw_imapd", "imapd needs no change: poplock reads /var/log/pop.log"),
        ("uw-imap", "uw_ipop3d", "$syslogseverity == 6 then /var/log/pop.log"),
        ("qpopper", "qpopper", "log-login"),
        ("tpop3d", "tpop3d", "log-level: info"),
        ("teapop", "teapop", "local0.info /var/log/pop.log"),
        ("gnu-pop3d", "gnu_pop3d", "parse --dialect gnu_pop3d /var/log/pop.log"),
        ("vm-pop3d", "vm_pop3d", "parse --dialect vm_pop3d /var/log/pop.log"),
    ],
)
def test_lines_name_the_log_that_is_read(
    tmp_path: Path, name: str, dialect: str, says: str
) -> None:
    text = f'[[source]]\ntype = "file"\npath = "/var/log/pop.log"\ndialects = ["{dialect}"]\n'
    status, output = run(tmp_path, name, text)
    assert status == 0, output
    assert says in output
