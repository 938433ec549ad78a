"""`poplock setup whoson|drac|radius`: the configured sockets and peers, or what is missing."""

import pytest

from poplock.cli.setup import network
from poplock.config import Config
from poplock.config.load import parse_config
from poplock.core.errors import PoplockError

CONFIG = """
[[source]]
type = "whoson"
listen = ["udp:192.0.2.25:9876", "unixgram:/run/whosond"]
peers = ["192.0.2.10/32"]
[[source]]
type = "drac"
listen = ["udp:0.0.0.0:10901"]
allow_file = "/etc/drac/dracd.allow"
[[source]]
type = "radius"
listen = ["udp:192.0.2.25:1813"]
clients_file = "/etc/poplock/radius-clients"
"""


@pytest.fixture(scope="module")
def config() -> Config:
    return parse_config(CONFIG, "poplock.toml")


def test_whoson_names_sockets_as_its_clients_do_and_who_may_what(config: Config) -> None:
    said = network.whoson(config)
    assert "udp: host 192.0.2.25, port 9876" in said
    assert "unixd: /run/whosond" in said
    assert "taken from 192.0.2.10/32 (peers)" in said
    assert "answered to 127.0.0.0/8, ::1/128 (ask)" in said


def test_drac_names_the_allow_file_and_rpcbind(config: Config) -> None:
    said = network.drac(config)
    assert "and those in /etc/drac/dracd.allow" in said
    assert "rpcinfo -T udp 127.0.0.1 900101" in said
    without = parse_config(CONFIG.replace("allow_file", "portmapper = false\nallow_file"), "x")
    assert "only clients that are told the port" in network.drac(without)


def test_radius_says_how_to_try_it(config: Config) -> None:
    assert "radclient 192.0.2.25:1813 acct THE-SECRET" in network.radius(config)


@pytest.mark.parametrize("lines", [network.whoson, network.drac, network.radius])
def test_what_the_configuration_lacks_is_shown(lines) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(PoplockError, match=r"add to it:\n\n\[\[source\]\]"):
        lines(parse_config("", "poplock.toml"))
