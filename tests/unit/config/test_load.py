"""Wrong configurations: the file, the line, what and why."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from poplock.config.duration import Duration
from poplock.config.listen import Listen
from poplock.config.load import load_config, parse_config
from poplock.core.errors import ConfigError

DIALECT = """[[dialect]]
name = "odd"
tags = ["oddpop"]
service = "pop3"
login = ['^login from (?P<ip>[0-9a-fA-F.:]+) as (?P<user>[^ ]+)$']
"""


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("[policy\n", 1, "not TOML"),
        ("[policy]\nwindw = 3\n", 2, "did you mean 'window'"),
        ("\n[polcy]\nwindow = 3\n", 2, "did you mean 'policy'"),
        ('[policy]\nwindow = "1 hour"\n', 2, "is no duration"),
        ("[policy]\nwindow = -5\n", 2, "is no duration"),
        ("[policy]\nwindow = 0\n", 2, "earn nobody"),
        ('[policy]\nwindow = "2d"\n', 1, "max_session"),
        ('[policy]\nrequire_tls = "yes"\n', 2, "expected `bool`"),
        ("[policy]\nipv6_prefix = 200\n", 2, "<= 128"),
        ('[policy]\nnever = ["10.0.0.0/8",\n "300.1.1.1"]\n', 2, "300.1.1.1"),
        ('[policy]\nnever = ["10.0.0.1/8"]\n', 2, "host bits"),
        ("[[source]]\npath = '/var/log/mail.log'\n", 1, "type"),
        ("[[source]]\ntype = 'fiel'\npath = '/x'\n", 2, "there are file"),
        ("[[source]]\ntype = 'file'\n", 1, "'path' is missing"),
        ("[[source]]\ntype = 'journal'\nunits = []\n", 3, "no unit"),
        ("[[source]]\ntype = 'journal'\nunits = ['dovecot']\n", 3, '"dovecot.service"'),
        ("[[source]]\ntype = 'journal'\n", 1, "'units' is missing"),
        ("[[source]]\ntype = 'syslog'\nlisten = ['unix:/x']\n", 3, "unixgram"),
        ("[[source]]\ntype = 'syslog'\nlisten = ['udp:127.0.0.1:0']\n", 3, "port"),
        (
            "[[source]]\ntype = 'syslog'\nlisten = ['udp:127.0.0.1:514']\n"
            "tls = { certificate = '/c', key = '/k' }\n",
            4,
            "TLS needs a socket of TCP",
        ),
        (
            "[[source]]\ntype = 'syslog'\nlisten = ['inet:127.0.0.1:514']\n"
            "tls = { certificate = '/c', key = '/k', client_names = ['a'] }\n",
            4,
            "only with a client_ca",
        ),
        ("[[source]]\ntype = 'file'\npath = 'mail.log'\n", 3, "absolute"),
        ("[[source]]\ntype = 'file'\npath = '/x'\ndialects = ['dovcot']\n", 4, "there are dovecot"),
        ("[[source]]\ntype = 'file'\npath = '/opt/zimbra/log/mailbox.log'\n", 3, "read audit"),
        ("[[source]]\ntype = 'file'\npath = '/x'\npth = 1\n", 4, "did you mean 'path'"),
        ("[[answer]]\ntype = 'postfix_policy'\nlisten = '127.0.0.1:10031'\n", 3, "is no socket"),
        ("[[answer]]\ntype = 'postfix_policy'\nlisten = 'inet:localhost:1'\n", 3, "no IP address"),
        ("[[answer]]\ntype = 'postfix_policy'\nlisten = 'unix:x'\n", 3, "absolute path"),
        ("[[answer]]\ntype = 'line'\nlisten = 'udp:127.0.0.1:1'\n", 3, "no socket here"),
        ("[[answer]]\ntype = 'line'\nlisten = 'inet:127.0.0.1:1'\nask = []\n", 4, "no network"),
        ("[[answer]]\ntype = 'line'\nlisten = 'inet:127.0.0.1:1'\nask = ['x']\n", 4, "'x'"),
        ("[[answer]]\ntype = 'tcp_table'\nlisten = 'unix:/x'\n", 3, "no socket here"),
        ("[[answer]]\ntype = 'socketmap'\nlisten = 'inet:127.0.0.1:1'\nmaps = []\n", 4, "no map"),
        (
            "[[answer]]\ntype = 'socketmap'\nlisten = 'inet:127.0.0.1:1'\nmaps = ['a b']\n",
            4,
            "'a b'",
        ),
        ("[[answer]]\ntype = 'dns'\nlisten = 'udp:127.0.0.1:1'\n", 1, "zone"),
        ("[[answer]]\ntype = 'dns'\nlisten = 'udp:127.0.0.1:1'\nzone = 'a..b'\n", 4, "is no zone"),
        (
            f"[[answer]]\ntype = 'dns'\nlisten = 'udp:127.0.0.1:1'\nzone = '{'a.' * 60}b'\n",
            4,
            "100 letters",
        ),
        (
            "[[answer]]\ntype = 'postfix_policy'\nlisten = 'unix:/run/poplock/control.sock'\n",
            3,
            "already taken by control.path",
        ),
        (
            "[[answer]]\ntype = 'postfix_policy'\nlisten = 'inet:127.0.0.1:1'\n"
            "[[answer]]\ntype = 'postfix_policy'\nlisten = 'inet:127.0.0.1:1'\n",
            6,
            "already taken by answer[0]",
        ),
        ("[control]\nmode = '999'\n", 2, "file mode"),
        (DIALECT.replace("odd", "dovecot", 1), 2, "is taken"),
        (DIALECT.replace("odd", "Odd", 1), 2, "a small letter"),
        (DIALECT.replace("tags", "tag"), 3, "did you mean 'tags'"),
        (DIALECT.replace('tags = ["oddpop"]\n', ""), 1, "no tags"),
        (DIALECT.replace('"oddpop"', '"odd pop"'), 3, "a tag ends"),
        (DIALECT.replace('service = "pop3"\n', ""), 4, "which service"),
        (DIALECT.replace("(?P<user>[^ ]+)", "(?P<usr>[^ ]+)"), 5, "unknown group 'usr'"),
        (DIALECT.replace(" as ", " .* as ").replace("from", "from .*"), 5, "open field"),
        (DIALECT + "failure = ['^(?P<user>.*)@(?P<ip>[0-9.]+)$']\n", 1, "pass for a login"),
        (DIALECT + DIALECT, 7, "already the name of dialect[0]"),
        (DIALECT + "form = 'own'\n", 3, "have no tags"),
        (DIALECT + "[[source]]\ntype = 'stdin'\ndialects = ['ood']\n", 8, "vpopmail"),
    ],
)
def test_a_wrong_configuration_names_line_and_reason(text: str, line: int, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "poplock.toml")
    assert str(caught.value).startswith(f"poplock.toml:{line}: ")
    assert says in str(caught.value)


def test_a_dialect_of_the_configuration_is_known_to_its_sources() -> None:
    config = parse_config(
        DIALECT + "[[source]]\ntype = 'stdin'\ndialects = ['odd', 'dovecot']\n", "poplock.toml"
    )
    assert list(config.own_dialects()) == ["odd"]


def test_a_dialect_without_re2_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(ConfigError, match=r"pip install 'smtp-poplock\[patterns\]'"):
        parse_config(DIALECT, "poplock.toml")


def test_an_empty_configuration_has_the_promised_defaults() -> None:
    config = parse_config("", "poplock.toml")
    assert (config.policy.window, config.policy.max_session) == (3600, 86_400)
    assert config.policy.ipv6_prefix == 64
    assert "100.64.0.0/10" in config.policy.never


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("60m", 3600), ("30d", 2_592_000)])
def test_durations(text: str, seconds: int) -> None:
    assert Duration.read(text) == seconds


def test_listeners_are_written_as_postfix_writes_them() -> None:
    assert Listen.read("inet:[::1]:10031") == Listen("inet", host="::1", port=10031)
    assert Listen.read("unix:/run/x") == Listen("unix", path="/run/x")
    assert Listen.read("udp:127.0.0.1:514", ("udp",)).datagram
    with pytest.raises(ValueError, match=r'no socket here; write "inet:.* or "unix:/path"$'):
        Listen.read("udp:127.0.0.1:514")


def test_a_missing_file_says_how_to_name_another(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--config"):
        load_config(tmp_path / "no.toml")


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("[store]\npath = '/nowhere/at/all/p.db'\n", "there is no folder"),
        ("[[source]]\ntype = 'file'\npath = '/nowhere/mail.log'\n", "there is no folder"),
        ("[[source]]\ntype = 'file'\npath = '/etc'\n", "is a folder"),
        ("[[source]]\ntype = 'spool'\npath = '/nowhere/spool'\n", "there is no folder"),
        (
            "[[source]]\ntype = 'journal'\nunits = ['a.service']\nuids = ['no-such-account']\n",
            "there is no account 'no-such-account'",
        ),
        (
            "[[source]]\ntype = 'syslog'\nlisten = ['inet:127.0.0.1:6514']\n"
            "tls = { certificate = '/nowhere/cert.pem', key = '/etc/hostname' }\n",
            "there is no file /nowhere/cert.pem",
        ),
    ],
)
def test_config_check_looks_at_the_host_and_exits_78(
    tmp_path: Path, section: str, says: str
) -> None:
    from poplock.cli.config import command

    config = tmp_path / "poplock.toml"
    head = f"[control]\npath = '{tmp_path}/c.sock'\n"
    if "[store]" not in section:
        head += f"[store]\npath = '{tmp_path}/p.db'\n"
    config.write_text(head + section)
    result = CliRunner().invoke(command, ["check", "--config", str(config)])
    assert isinstance(result.exception, ConfigError)
    assert says in str(result.exception)
    assert str(config) + ":" in str(result.exception)
    assert [file.name for file in tmp_path.iterdir()] == ["poplock.toml"]


_AT_ONCE = """
import sys
from threading import Barrier, Thread
from poplock.config.load import parse_config

sys.setswitchinterval(1e-6)
together = Barrier(8)

def read():
    together.wait()
    parse_config(TEXT, "poplock.toml")

threads = [Thread(target=read) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_threads_may_be_the_first_to_read_a_configuration_together() -> None:
    text = '[[source]]\nname = "mail"\ntype = "file"\npath = "/l"\ndialects = ["dovecot"]\n'
    for _ in range(3):  # of 25 runs without the lock, 23 crashed
        subprocess.run([sys.executable, "-c", _AT_ONCE.replace("TEXT", repr(text))], check=True)
