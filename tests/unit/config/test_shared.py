"""[shared]: what can be meant, and what is said where it can't."""

import pytest

from poplock.config.load import parse_config
from poplock.core.errors import ConfigError


def read(body: str) -> object:
    return parse_config(f"[shared]\n{body}", "poplock.toml").shared


@pytest.mark.parametrize(
    ("node", "address"),
    [
        ("redis1", ("redis1", 6379)),
        ("redis1.example.org:7000", ("redis1.example.org", 7000)),
        ("192.0.2.5:6380", ("192.0.2.5", 6380)),
        ("[2001:db8::5]:6380", ("2001:db8::5", 6380)),
        ("[2001:db8::5]", ("2001:db8::5", 6379)),
    ],
)
def test_a_node_is_a_host_and_perhaps_a_port(node: str, address: tuple[str, int]) -> None:
    assert read(f'nodes = ["{node}"]').addresses() == [address]  # type: ignore[attr-defined]


def test_sentinels_have_a_port_of_their_own() -> None:
    shared = read('nodes = ["s1"]\nmode = "sentinel"\nmaster = "mail"')
    assert shared.addresses() == [("s1", 26379)]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("body", "line", "what"),
    [
        ("", 1, "the key 'nodes' is missing"),
        ("nodes = []", 2, "name at least one"),
        ('nodes = ["redis://h:1/0"]', 2, "is no node"),
        ('nodes = ["h:70000"]', 2, "is no node"),
        ('nodes = ["2001:db8::5:6379"]', 2, "is no node"),
        ('nodes = ["a", "b"]', 2, "one node"),
        ('nodes = ["a"]\nmode = "sentinel"', 1, "name the master"),
        ('nodes = ["a"]\nmaster = "m"', 3, "only with mode"),
        ('nodes = ["a"]\nmode = "cluster"\ndatabase = 2', 4, "database 0 alone"),
        ('nodes = ["a"]\nprefix = "a*"', 3, "letters, digits"),
        ('nodes = ["a"]\nusername = "u"', 3, "needs a password_file"),
        ('nodes = ["a"]\npassword_file = "p"', 3, "absolute path"),
        ('nodes = ["a"]\nmax_staleness = 0', 3, "longer than nothing"),
        ('nodes = ["a"]\n[shared.tls]\nca = "ca.pem"', 4, "absolute path"),
        ('nodes = ["a"]\n[shared.tls]\nca = "/ca.pem"\nkey = "/k"', 3, "go together"),
        ('nodes = ["a"]\nmode = "ring"', 3, "mode"),
    ],
)
def test_what_cannot_be_meant_is_shown_with_its_line(body: str, line: int, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(body)
    assert what in str(caught.value)
    assert str(caught.value).startswith("poplock.toml"), caught.value
    if line > 1:
        assert f"poplock.toml:{line}" in str(caught.value)
