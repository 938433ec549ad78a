"""Tokens: who they are, what they may, how fast; and a file that is changed under us."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from poplock.sources.tokens import Token, TokenFileError, Tokens, make_token, parse, read_rate

HASH = "sha256:" + "0" * 64


class Seconds:
    """A clock of one hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


def test_only_the_right_secret_is_the_token(tmp_path: Path, seconds: Seconds) -> None:
    given, kept = make_token("vpn")
    file = tmp_path / "tokens"
    file.write_text(f"# mine\n\nvpn logins {kept}  # the concentrator\n")
    tokens = Tokens(file, seconds)
    found = tokens.find(given)
    assert found is not None and found.name == "vpn"
    name, _, secret = given.partition(".")
    for wrong in ("", name, f"{name}.", f"{name}.{secret}x", f"other.{secret}", f"{name}.ä"):
        assert tokens.find(wrong) is None


def test_a_secret_has_256_bits_and_the_file_does_not_hold_it(tmp_path: Path) -> None:
    given, kept = make_token("vpn")
    assert len(given.partition(".")[2]) == 43  # 32 bytes in base64
    assert given.partition(".")[2] not in kept
    assert make_token("vpn")[0] != given


def test_a_line_taken_out_ends_its_token_within_a_second(tmp_path: Path, seconds: Seconds) -> None:
    given, kept = make_token("vpn")
    file = tmp_path / "tokens"
    file.write_text(f"vpn logins {kept}\n")
    tokens = Tokens(file, seconds)
    assert tokens.find(given) is not None
    file.write_text("# nobody\n")
    seconds.now += 1.0
    assert tokens.find(given) is None


def test_with_a_broken_file_no_token_is_good_until_it_is_mended(
    tmp_path: Path, seconds: Seconds
) -> None:
    given, kept = make_token("vpn")
    file = tmp_path / "tokens"
    right = f"vpn logins {kept}\n"
    file.write_text(right)
    tokens = Tokens(file, seconds)
    assert tokens.find(given) is not None
    file.write_text(right + "nonsense\n")
    seconds.now += 1.0
    with pytest.raises(TokenFileError, match="line 2: a line has a name"):
        tokens.find(given)
    file.write_text(right)
    assert tokens.find(given) is not None
    assert tokens.trouble is None
    file.unlink()
    seconds.now += 1.0
    with pytest.raises(TokenFileError, match="No such file"):
        tokens.find(given)


def test_a_file_that_everybody_may_write_is_refused(tmp_path: Path, seconds: Seconds) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"vpn logins {HASH}\n")
    file.chmod(0o666)
    with pytest.raises(TokenFileError, match="everybody may write it"):
        Tokens(file, seconds).find("vpn.x")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("vpn logins", "a line has a name, scopes and a hash"),
        (f"v/n logins {HASH}", "'v/n' is no name"),
        (f"vpn login {HASH}", "no scope 'login'; there are logins, logouts"),
        ("vpn logins sha256:12", "64 hexadecimal digits"),
        (f"vpn logins {HASH} rate=9", "'9' is no rate"),
        (f"vpn logins {HASH} rate=0/s", "'0/s' is no rate"),
        (f"vpn logins {HASH} networks=203.0.113.1/24", "has host bits set"),
        (f"vpn logins {HASH} users=", "'users=' is none of"),
        (f"vpn logins {HASH}\nvpn logouts {HASH}", "line 2: the name 'vpn' stands on another"),
    ],
)
def test_a_wrong_line_is_named(line: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse(line)


def test_networks_and_users_bound_whom_a_token_may_speak_of() -> None:
    (token,) = parse(f"vpn logins {HASH} networks=203.0.113.0/24 users=*@example.org").values()
    inside, outside = ip_address("203.0.113.9"), ip_address("198.51.100.1")
    assert token.why_not(inside, "ann@example.org") is None
    assert "may not speak of 198.51.100.1" in str(token.why_not(outside, "ann@example.org"))
    assert "may not speak of root" in str(token.why_not(inside, "root"))
    assert token.why_not(None, "ann@example.org") is not None
    assert token.why_not(inside, None) is not None


def test_the_rate_is_a_bucket_and_a_batch_larger_than_it_passes_when_it_is_full() -> None:
    token = Token("t", frozenset(), b"", rate=read_rate("600/m"))
    assert token.wait(10, 0.0) == 0.0
    assert token.wait(1, 0.0) == pytest.approx(0.1)
    assert token.wait(1, 0.1) == 0.0
    assert token.wait(100, 1.0) == pytest.approx(0.1)
    assert token.wait(100, 1.1) == 0.0  # and is worked off: nine seconds to zero
    assert token.wait(1, 2.0) == pytest.approx(8.2)
    assert token.wait(10, 3600.0) == 0.0
    assert token.wait(1, 3600.0) > 0


def test_a_change_of_the_file_is_no_fresh_start_for_who_is_too_fast(
    tmp_path: Path, seconds: Seconds
) -> None:
    given, kept = make_token("vpn")
    file = tmp_path / "tokens"
    file.write_text(f"vpn logins {kept} rate=1/h\n")
    tokens = Tokens(file, seconds)
    token = tokens.find(given)
    assert token is not None and token.wait(1, seconds()) == 0.0
    file.write_text(f"vpn logins {kept} rate=1/h\nother logins {HASH}\n")
    seconds.now += 1.0
    token = tokens.find(given)
    assert token is not None and token.wait(1, seconds()) > 3000
