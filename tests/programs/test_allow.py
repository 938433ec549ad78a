"""poplock-allow by itself: whom it tells of, and that it never stands in a login's way."""

import os
import resource
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from poplock.core.clock import FakeClock
from poplock.core.events import Login
from poplock.sources.spool import SpoolSource
from tests.conftest import make_intake
from tests.daemon import ROOT

ALLOW = str(ROOT / "programs" / "poplock-allow")
CLIENT = {"USER": "ann", "TCPREMOTEIP": "203.0.113.9"}
VARIABLES = (
    *("POPLOCK_USER", "POPLOCK_SERVICE", "AUTHENTICATED", "AUTHARGV0", "AUTHUSER", "USER", "IP"),
    *("TCPREMOTEIP", "TCP6REMOTEIP", "TCPLOCALPORT", "TCPREMOTEHOST", "TCPREMOTEINFO"),
    *("POP3_TLS", "IMAP_TLS", "MASTER_USER", "IFS", "PS4", "PWD", "ENV", "LC_ALL", "user", "ip"),
)
"""All that it reads, what strangers write (HOST and INFO), and what shells take notice of."""
HOSTILE = (
    *(b"", b" ", b"-n", b"--", b"*", b"\\", b"'", b'"', b"$(echo bad)", b"`echo bad`", b"%s%n"),
    *(b"a\nip 198.51.100.7\n", b"a\nend\n", b"\r\n", b"\x1b[31m", b"\xff\xfe", b"../x", b"a b"),
    *(b";echo bad", b"x" * 100_000, b"${x?}", b"/dev/full", b"1", b"imap"),
)


def allow(
    spool: Path | str,
    *options: str,
    program: tuple[str, ...] = ("/bin/echo", "went on"),
    **env: str,
) -> None:
    """Run it in front of echo with nothing but `env`, not even PATH; it goes on in silence."""
    result = subprocess.run(
        [ALLOW, *options, *program],
        env={"POPLOCK_SPOOL": str(spool), **env},
        capture_output=True,
        check=True,
    )
    assert (result.stdout, result.stderr) == (b"went on\n", b"")


def told(spool: Path) -> list[Login]:
    """What poplock would read in the drop box, as root's word."""
    source = SpoolSource(make_intake(FakeClock(0.0)), spool, ())
    read: list[Login] = []
    for path in spool.iterdir():
        try:
            login = source.read(path)
        except ValueError:
            continue
        if login is not None:
            read.append(login)
    return read


def told_one(spool: Path) -> tuple[str, str, str, bool | None]:
    (login,) = told(spool)
    return str(login.ip), login.user, login.service, login.tls


def test_behind_checkpassword_being_run_is_proof_enough(tmp_path: Path) -> None:
    allow(tmp_path, **CLIENT)
    assert told_one(tmp_path) == ("203.0.113.9", "ann", "pop3", None)


def test_behind_courier_counts_only_who_authenticated(tmp_path: Path) -> None:
    allow(tmp_path, AUTHARGV0="x", AUTHUSER="y", **CLIENT)
    assert list(tmp_path.iterdir()) == []
    allow(tmp_path, AUTHARGV0="x", AUTHENTICATED="bob", **CLIENT)
    assert told_one(tmp_path) == ("203.0.113.9", "bob", "pop3", None)


@pytest.mark.parametrize(
    ("port", "more", "service", "tls"),
    [
        ("110", {}, "pop3", None),
        ("995", {}, "pop3", True),
        ("143", {}, "imap", None),
        ("993", {}, "imap", True),
        ("143", {"IMAP_TLS": "1"}, "imap", True),
        ("110", {"POP3_TLS": "1"}, "pop3", True),
        ("110", {"POP3_TLS": "0"}, "pop3", None),
        ("10143", {"POPLOCK_SERVICE": "imap"}, "imap", None),
    ],
)
def test_service_and_tls_as_courier_and_tcpserver_tell_them(
    tmp_path: Path, port: str, more: dict[str, str], service: str, tls: bool | None
) -> None:
    client = {"AUTHENTICATED": "ann", "TCPREMOTEIP": "::ffff:203.0.113.9", "TCPLOCALPORT": port}
    allow(tmp_path, **client, **more)
    assert told_one(tmp_path) == ("203.0.113.9", "ann", service, tls)


def test_as_dovecots_post_login_script_it_takes_the_service_as_an_option(tmp_path: Path) -> None:
    allow(tmp_path, "--service=imap", USER="ann@example.org", IP="2001:db8::77")
    assert told_one(tmp_path) == ("2001:db8::77", "ann@example.org", "imap", None)


def test_a_master_user_of_dovecots_earns_nothing(tmp_path: Path) -> None:
    allow(tmp_path, USER="ann", IP="203.0.113.9", MASTER_USER="admin")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["USER", "TCPREMOTEIP"])
def test_nobody_or_nowhere_earns_nothing(tmp_path: Path, missing: str) -> None:
    allow(tmp_path, **{name: value for name, value in CLIENT.items() if name != missing})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", VARIABLES)
def test_no_value_of_any_variable_holds_up_a_login_or_forges_one(
    tmp_path: Path, name: str, value: bytes
) -> None:
    variables = {k.encode(): v.encode() for k, v in CLIENT.items()}
    variables |= {name.encode(): value, b"POPLOCK_SPOOL": bytes(tmp_path)}
    result = subprocess.run([ALLOW, "/usr/bin/env", "-0"], env=variables, capture_output=True)
    seen = dict(line.split(b"=", 1) for line in result.stdout.split(b"\0")[:-1])
    for own in (b"PWD", b"IFS"):  # each shell sets these itself
        seen.pop(own, None)
        variables.pop(own, None)
    assert (seen, result.stderr, result.returncode) == (variables, b"", 0)
    for login in told(tmp_path):
        assert str(login.ip) == "203.0.113.9"
        assert name in ("USER", "POPLOCK_USER", "AUTHENTICATED") or login.user == "ann"


def limited(limit: int, value: int) -> Callable[[], Any]:
    return lambda: resource.setrlimit(limit, (value, value))


SHOW = ("/bin/sh", "-c", "umask; ulimit -f; cat /proc/self/status | grep SigIgn; ls /proc/self/fd")


@pytest.mark.parametrize("prepare", [lambda: os.umask(0o077), limited(resource.RLIMIT_FSIZE, 0)])
def test_what_the_program_inherits_is_as_it_was(tmp_path: Path, prepare: Callable[[], Any]) -> None:
    env = {**CLIENT, "POPLOCK_SPOOL": str(tmp_path)}
    bare, behind = (
        subprocess.run(argv, env=env, capture_output=True, preexec_fn=prepare, check=True)
        for argv in (SHOW, (ALLOW, *SHOW))
    )
    assert (behind.stdout, behind.stderr) == (bare.stdout, b"")
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o644  # poplock runs as another user


def test_without_permission_it_goes_on(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        folder.chmod(folder.stat().st_mode | 0o011)
        if folder.name.startswith("pytest-of"):
            break
    spool = tmp_path / "spool"
    spool.mkdir(0o755)
    copy = shutil.copy(ALLOW, tmp_path)  # where nobody may go
    result = subprocess.run(
        [copy, "/bin/echo", "went on"],
        env={**CLIENT, "POPLOCK_SPOOL": str(spool)},
        capture_output=True,
        user="nobody",
    )
    assert (result.stdout, result.stderr) == (b"went on\n", b"")
    assert list(spool.iterdir()) == []


@pytest.mark.parametrize("full", ["nr_inodes=1", "size=4k"])
def test_on_a_full_disk_it_goes_on(tmp_path: Path, full: str) -> None:
    script = (
        f"mount -t tmpfs -o {full} none {tmp_path}; echo x > {tmp_path}/x; "
        f"export POPLOCK_SPOOL={tmp_path} USER=ann TCPREMOTEIP=203.0.113.9; "
        f"{ALLOW} echo went on; cat {tmp_path}/login.*"
    )
    result = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True
    )
    assert result.stdout == "went on\n"


@pytest.mark.parametrize("spool", ["/nowhere", "/dev/null", "", "/proc", "\n"])
def test_without_a_drop_box_it_goes_on(spool: str) -> None:
    allow(spool, **CLIENT)


def test_a_chain_may_read_it_into_a_shell_of_its_own(tmp_path: Path) -> None:
    """As Courier's does: one shell for both, and a missing poplock-allow does no harm."""
    wrapper = tmp_path / "wrapper"
    for there, number in ((ALLOW, 1), ("/nowhere/poplock-allow", 0)):
        wrapper.write_text(f'set -- /bin/echo went "$@"\ncommand . {there}\nexec "$@"\n')
        spool = tmp_path / str(number)
        spool.mkdir()
        result = subprocess.run(
            ["/bin/sh", wrapper, "on"],
            env={"POPLOCK_SPOOL": str(spool), **CLIENT},
            capture_output=True,
            check=True,
        )
        assert result.stdout == b"went on\n"
        assert len(list(spool.iterdir())) == number
