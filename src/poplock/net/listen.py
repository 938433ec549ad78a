"""Opens listening sockets, for streams and datagrams, IP and unix, with clear errors."""

import errno
import grp
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from ..config.listen import Listen
from ..core.errors import ConfigError

_WAITING = 4_194_304  # bytes of datagrams, some 10,000 syslog messages as the kernel counts them
_BACKLOG = 1024  # Postfix opens a hundred connections in a burst; the kernel caps it


def open_listener(listen: Listen, *, group: str | None, mode: str) -> socket.socket:
    """A bound, non-blocking socket, listening if it is for streams; ConfigError says why not."""
    kind = socket.SOCK_DGRAM if listen.datagram else socket.SOCK_STREAM
    if listen.path is None:
        sock = _open_inet(listen, kind)
    else:
        sock = _open_unix(Path(listen.path), kind, group, int(mode, 8))
    if not listen.datagram:
        sock.listen(_BACKLOG)
    sock.setblocking(False)
    return sock


def _open_inet(listen: Listen, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if ":" in (listen.host or "") else socket.AF_INET
    sock = socket.socket(family, kind | socket.SOCK_CLOEXEC)
    if kind == socket.SOCK_STREAM:  # two programs could share a UDP port with it
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    else:  # a burst waits in the kernel; net.core.rmem_max caps it
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WAITING)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        sock.bind((listen.host, listen.port))
    except OSError as error:
        sock.close()
        raise ConfigError(
            f"cannot listen on {listen.host} port {listen.port}: {error.strerror}"
        ) from error
    return sock


def _open_unix(path: Path, kind: socket.SocketKind, group: str | None, mode: int) -> socket.socket:
    if not path.parent.is_dir():
        raise ConfigError(f"cannot listen on {path}: there is no folder {path.parent}")
    sock = socket.socket(socket.AF_UNIX, kind | socket.SOCK_CLOEXEC)
    before = os.umask(0o777 & ~mode)
    try:
        _unlink_stale(path, kind)
        sock.bind(str(path))
        if group is not None:
            os.chown(path, -1, _gid(group))
        path.chmod(mode)
    except OSError as error:
        sock.close()
        raise ConfigError(f"cannot listen on {path}: {error.strerror}") from error
    except ConfigError:
        sock.close()
        raise
    finally:
        os.umask(before)
    return sock


def _gid(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ConfigError(f"there is no group {group!r} on this host") from None


def _unlink_stale(path: Path, kind: socket.SocketKind) -> None:
    """Remove a socket that nobody listens on; refuse to touch anything else."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise ConfigError(f"cannot listen on {path}: a file that is no socket is in the way")
    with socket.socket(socket.AF_UNIX, kind) as probe:
        try:
            probe.connect(str(path))
        except OSError as error:
            if error.errno != errno.ECONNREFUSED:
                raise
        else:
            raise ConfigError(f"cannot listen on {path}: another program listens there")
    path.unlink(missing_ok=True)


def remove_name(sock: socket.socket) -> None:
    """Take a unix socket's name away, before whoever serves on it closes it."""
    if sock.family == socket.AF_UNIX and sock.fileno() >= 0:
        with suppress(OSError):
            Path(sock.getsockname()).unlink()
