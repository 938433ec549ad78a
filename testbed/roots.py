"""Base roots and package layers, made once and kept in a cache outside the repository.

A base is what debootstrap leaves; a layer is the upper folder of an overlay in which
apt-get installed a list of packages. Both are read-only once they have their final name:
a running host puts a layer of its own on top.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

RELEASES = ("bookworm", "trixie")
BASE_PACKAGES = ("rsyslog", "procps", "iproute2", "ca-certificates")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR = "http://deb.debian.org/debian"
SECURITY = "http://deb.debian.org/debian-security"

RECIPE = "1"
"""Part of each cache name: a change of what is below makes new roots."""

CERTIFICATE = "/etc/ssl/testbed/cert.pem"
KEY = "/etc/ssl/testbed/key.pem"


class TestbedError(RuntimeError):
    """The testbed can't be set up here; the text says what to do."""

    __test__ = False  # not a class of tests, whatever its name says to pytest


def cache() -> Path:
    """The folder with the roots: `$POPLOCK_CACHE`, or one under /var/cache."""
    return Path(os.environ.get("POPLOCK_CACHE") or "/var/cache/smtp-poplock")


def base(release: str) -> Path:
    """The folder with a minimal Debian of this release, made when it is missing."""
    _demand_tools()
    target = cache() / f"base-{release}-{_digest(BASE_PACKAGES)}"
    with _building(target) as work:
        if work is not None:
            _bootstrap(release, work)
    return target


def layer(release: str, packages: Iterable[str], prepare: str = "") -> Path:
    """The folder that holds what installing `packages` on the base changes.

    `prepare` is shell that runs in the root before the installation (debconf answers).
    """
    names = tuple(sorted(set(packages)))
    below = base(release)
    target = cache() / f"layer-{release}-{_digest([*names, prepare])}"
    with _building(target) as work:
        if work is not None:
            _install(release, below, work, names, prepare)
    return target


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join([RECIPE, *parts]).encode()).hexdigest()[:12]


def _say(text: str) -> None:
    print(f"testbed: {text}", file=sys.stderr, flush=True)


def _demand_tools() -> None:
    if os.geteuid() != 0:
        raise TestbedError("the testbed mounts overlays and makes namespaces: run it as root")
    where = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    needed = ("debootstrap", "unshare", "nsenter", "mount", "chroot", "ip")
    missing = [name for name in needed if shutil.which(name, path=where) is None]
    if missing:
        raise TestbedError(f"missing: {', '.join(missing)}; run scripts/setup")


@contextmanager
def _building(target: Path) -> Iterator[Path | None]:
    """Give a folder to build `target` in, or None where `target` is already there.

    Another process that wants the same one waits for the lock and then finds it. The name
    is given last, so a build that was interrupted never looks like a finished one.
    """
    if target.is_dir():
        yield None
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(target.name + ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            _say(f"waiting for another process that makes {target.name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            yield None
            return
        work = target.with_name(target.name + ".unfinished")
        # One that was interrupted; we hold the lock, so nobody is working in it.
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        began = time.monotonic()
        yield work
        work.rename(target)
        _say(f"{target.name} is ready after {time.monotonic() - began:.0f} s")


def _environment() -> dict[str, str]:
    proxies = {k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LC_ALL": "C",
        "DEBIAN_FRONTEND": "noninteractive",
        **proxies,
    }


def _logged(what: str, argv: Sequence[str]) -> None:
    """Run one long command: a line of progress each ten seconds, its own words on failure."""
    _say(what)
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(),
        )
        began = time.monotonic()
        try:
            while True:
                try:
                    status = child.wait(timeout=10)
                    break
                except subprocess.TimeoutExpired:
                    _say(f"  ... {time.monotonic() - began:.0f} s: {_last_line(output.fileno())}")
        except BaseException:
            child.kill()
            child.wait()
            raise
        if status == 0:
            return
        output.seek(0)
        tail = "\n".join(output.read().splitlines()[-25:])
    raise TestbedError(
        f"{what}: failed with status {status}.\n{tail}\n"
        "Is the Debian mirror reachable? `apt-get update` on this machine uses the same one."
    )


def _last_line(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, 400, max(0, size - 400)).decode(errors="replace")
    lines = [line for line in tail.splitlines() if line.strip()]
    return lines[-1][:80] if lines else ""


def _bootstrap(release: str, root: Path) -> None:
    if not KEYRING.exists():
        raise TestbedError(f"{KEYRING} is missing: install debian-archive-keyring")
    sources, mirror = _sources(release)
    _logged(
        f"making a base root of Debian {release} from {mirror} (about a minute, once)",
        [
            "debootstrap",
            "--variant=minbase",
            f"--include={','.join(BASE_PACKAGES)}",
            f"--keyring={KEYRING}",
            release,
            str(root),
            mirror,
        ],
    )
    etc = root / "etc"
    (etc / "apt/sources.list").write_text(sources)
    _copy_apt_settings(etc)
    # Thousands of small files: without fsync for each, an installation takes a third.
    (etc / "dpkg/dpkg.cfg.d/testbed").write_text(
        "force-unsafe-io\n"
        "path-exclude=/usr/share/doc/*\n"
        "path-exclude=/usr/share/man/*\n"
        "path-exclude=/usr/share/locale/*\n"
    )
    (etc / "apt/apt.conf.d/90testbed").write_text(
        'APT::Install-Recommends "false";\n'
        'Acquire::Languages "none";\n'
        'Acquire::Retries "3";\n'
        'Dir::Cache::pkgcache "";\n'
        'Dir::Cache::srcpkgcache "";\n'
    )
    # Package scripts ask this before they start a daemon: nothing starts by itself.
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    (etc / "hostname").write_text("mx\n")
    (etc / "mailname").write_text("example.org\n")
    (etc / "hosts").write_text(
        "127.0.0.1 localhost\n::1 localhost\n"
        "203.0.113.1 mx.example.org mx\n2001:db8:1::1 mx.example.org mx\n"
    )
    shutil.rmtree(root / "var/cache/apt/archives", ignore_errors=True)
    (root / "var/cache/apt/archives/partial").mkdir(parents=True)


def _copy_apt_settings(etc: Path) -> None:
    """What this machine needs to reach its mirror (proxies, timeouts, passwords), no hooks."""
    dump = subprocess.run(
        ["apt-config", "dump", "Acquire"], capture_output=True, text=True, env=_environment()
    )
    wanted = [
        line
        for line in dump.stdout.splitlines()
        if line.startswith("Acquire::") and "::IndexTargets" not in line
    ]
    (etc / "apt/apt.conf.d/80machine").write_text("\n".join(wanted) + "\n")
    for name in ("auth.conf", "auth.conf.d", "keyrings", "trusted.gpg.d"):
        mine = Path("/etc/apt") / name
        if mine.is_dir():
            shutil.copytree(mine, etc / "apt" / name, dirs_exist_ok=True)
        elif mine.exists():
            shutil.copy(mine, etc / "apt" / name)
    # A mirror behind the site's own authority: the root must trust what the machine trusts.
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    if bundle.exists():
        shutil.copy(bundle, etc / "ssl/certs/ca-certificates.crt")


def _sources(release: str) -> tuple[str, str]:
    """This machine's own Debian mirrors, with the suites of `release`: (sources.list, mirror)."""
    own = _codename()
    found: dict[str, str] = {}
    for uri, suite in _machine_suites():
        if own and (suite == own or suite.startswith(f"{own}-")):
            found.setdefault(suite.removeprefix(own), uri)
    mirror = found.get("", MIRROR)
    security = found.get("-security", SECURITY)
    lines = [
        f"deb [signed-by={KEYRING}] {mirror} {release} main",
        f"deb [signed-by={KEYRING}] {found.get('-updates', mirror)} {release}-updates main",
        f"deb [signed-by={KEYRING}] {security} {release}-security main",
    ]
    return "\n".join(lines) + "\n", mirror


def _codename() -> str:
    """The Debian release of this machine, "" on anything else."""
    try:
        text = Path("/etc/os-release").read_text()
    except OSError:
        return ""
    fields = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE))
    return fields.get("VERSION_CODENAME", "") if fields.get("ID") == "debian" else ""


def _machine_suites() -> Iterator[tuple[str, str]]:
    """Each (URI, suite) in the machine's sources, one-line files and deb822 ones."""
    apt = Path("/etc/apt")
    for path in [apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))]:
        if path.exists():
            for match in re.finditer(
                r"^deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)", path.read_text(), re.MULTILINE
            ):
                yield match[1].rstrip("/"), match[2]
    for path in sorted(apt.glob("sources.list.d/*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text()):
            fields = dict(re.findall(r"^(\w[\w-]*):[ \t]*(.*)$", stanza, re.MULTILINE))
            if "deb" not in fields.get("Types", "").split() or fields.get("Enabled") == "no":
                continue
            for uri in fields.get("URIs", "").split():
                for suite in fields.get("Suites", "").split():
                    yield uri.rstrip("/"), suite


POPULATE = r"""
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs dev
for node in null:3 zero:5 full:7 random:8 urandom:9; do
    mknod -m 666 "dev/${node%:*}" c 1 "${node#*:}"
done
mknod -m 666 dev/tty c 5 0
mkdir -m 1777 dev/shm
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=755 tmpfs run
mkdir -m 1777 run/lock
mount -t tmpfs -o mode=1777 tmpfs tmp
"""
"""Shell: what a root has beside files, for a script that stands in it."""

_INSTALL = (
    r"""
set -e
base=$1 upper=$2 scratch=$3 prepare=$4
shift 4
mount --make-rprivate /
mount -t overlay -o "lowerdir=$base,upperdir=$upper,workdir=$scratch/work" overlay "$scratch/root"
cd "$scratch/root"
"""
    + POPULATE
    + r"""
cp -L /etc/resolv.conf etc/resolv.conf
chroot . apt-get -q update
chroot . sh -c "$prepare"
chroot . apt-get -qy --no-install-recommends install "$@"
if test -x usr/bin/openssl; then
    mkdir -p etc/ssl/testbed
    chroot . openssl req -x509 -newkey rsa:2048 -nodes -days 3650 \
        -subj /CN=mx.example.org -addext subjectAltName=DNS:mx.example.org \
        -keyout etc/ssl/testbed/key.pem -out etc/ssl/testbed/cert.pem
fi
chroot . apt-get clean
rm -rf var/lib/apt/lists/*
rm -f etc/resolv.conf
"""
)


def _install(release: str, below: Path, upper: Path, packages: Sequence[str], prepare: str) -> None:
    # The work folder must be on the file system of the upper one, so beside it.
    scratch = upper.with_name(upper.name + ".scratch")
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / "work").mkdir(parents=True)
    (scratch / "root").mkdir()
    try:
        _logged(
            f"installing {', '.join(packages)} on {release} (about half a minute, once)",
            [
                *("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _INSTALL),
                *("sh", str(below), str(upper), str(scratch), prepare or ":", *packages),
            ],
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
