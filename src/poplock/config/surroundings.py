"""Whether this host has what the configuration names: folders, permissions.

Looked at before anything is started, so that a wrong path costs a clear line and nothing else.
"""

import os
import pwd
import stat
from importlib.util import find_spec
from pathlib import Path

from ..core.errors import ConfigError
from .listen import Tls
from .load import at
from .maps import CdbSettings, TextSettings
from .model import Config
from .shared import SharedSection
from .sources import (
    DracSettings,
    FileSettings,
    HttpSettings,
    JournalSettings,
    KeyedSettings,
    ListeningSettings,
    RadiusSettings,
    ServingSettings,
    SpoolSettings,
)

_SHORTEST_KEY = 16  # characters; openssl rand -hex 16 makes 32


def check_surroundings(config: Config, path: Path) -> None:
    """Raise ConfigError, with the line of `path`, for the first thing that isn't right."""
    text = path.read_text()
    for where, why in _complaints(config):
        raise ConfigError(at(text, str(path), where, why))


def _complaints(config: Config) -> "list[tuple[str, str]]":
    found = [
        ("store.path", _folder(config.store.path)),
        ("store.path", _writable_if_there(config.store.path)),
        ("control.path", _folder(config.control.path)),
    ]
    if config.shared is not None:
        found += _shared(config.shared)
    for i, source in enumerate(config.source):
        if isinstance(source, FileSettings):
            found.append((f"source[{i}].path", _readable_log(source.path)))
        elif isinstance(source, SpoolSettings) and not Path(source.path).is_dir():
            found.append((f"source[{i}].path", f"there is no folder {source.path}"))
        elif isinstance(source, JournalSettings):
            found.append((f"source[{i}].type", _on_path("journalctl")))
            found += [(f"source[{i}].uids", _account(account)) for account in source.uids]
        elif isinstance(source, ListeningSettings):
            sockets = [s.path for s in source.sockets() if s.path is not None]
            found += [(f"source[{i}].listen", _folder(path)) for path in sockets]
            found += _tls(f"source[{i}].tls", source.secured())
        if isinstance(source, ServingSettings):
            found.append((f"source[{i}].type", _web_is_installed()))
        if isinstance(source, KeyedSettings) and source.api_key_file is not None:
            found.append((f"source[{i}].api_key_file", _key(source.api_key_file)))
        elif isinstance(source, HttpSettings):
            found.append((f"source[{i}].tokens_file", _tokens(source.tokens_file)))
        elif isinstance(source, DracSettings) and source.allow_file is not None:
            found.append((f"source[{i}].allow_file", _peers("read_allow", source.allow_file)))
        elif isinstance(source, RadiusSettings):
            found.append((f"source[{i}].clients_file", _peers("read_clients", source.clients_file)))
    for i, answer in enumerate(config.answer):
        socket = answer.socket().path
        if socket is not None:
            found.append((f"answer[{i}].listen", _folder(socket)))
    for i, map_ in enumerate(config.map):
        found.append((f"map[{i}].path", _folder(map_.path)))
        if isinstance(map_, CdbSettings | TextSettings) and map_.static is not None:
            found.append((f"map[{i}].static", _readable(map_.static)))
    return [(where, why) for where, why in found if why is not None]


def _shared(shared: SharedSection) -> list[tuple[str, str | None]]:
    missing = "redis is not installed; a shared store takes the extra 'redis':" + (
        " pip install 'smtp-poplock[redis]'"
    )
    found = [("shared.nodes", missing if find_spec("redis") is None else None)]
    for name in ("password_file", "sentinel_password_file"):
        path = getattr(shared, name)
        if path is not None:
            found.append((f"shared.{name}", _secret(path)))
    if shared.tls is not None:
        for name in ("ca", "certificate", "key"):
            path = getattr(shared.tls, name)
            if path is not None:
                found.append((f"shared.tls.{name}", _readable(path)))
    return found


def _web_is_installed() -> str | None:
    missing = [name for name in ("uvicorn", "starlette") if find_spec(name) is None]
    if not missing:
        return None
    return f"{' and '.join(missing)} not installed; a source behind HTTP takes the extra 'web':" + (
        " pip install 'smtp-poplock[web]'"
    )


def _secret(path: str) -> str | None:
    """A file that not everybody can read."""
    why = _readable(path)
    if why is None and Path(path).stat().st_mode & stat.S_IROTH:
        return f"everybody may read {path}, and a secret stands in it; chmod o-r"
    return why


def _key(path: str) -> str | None:
    """A file with a secret in its first line, which not everybody can read."""
    why = _secret(path)
    if why is None and len(Path(path).read_bytes().partition(b"\n")[0].strip()) < _SHORTEST_KEY:
        return f"the first line of {path} must be a key of {_SHORTEST_KEY} characters or more"
    return why


def _tokens(path: str) -> str | None:
    why = _readable(path)
    if why is not None:
        return f"{why}; make it with: poplock token NAME" if not Path(path).exists() else why
    from ..sources.tokens import TokenFileError, Tokens  # of few, and large

    try:
        Tokens(Path(path), float).read()
    except TokenFileError as error:
        return f"{path}: {error}"
    return None


def _peers(reader: str, path: str) -> str | None:
    """What is wrong with a file of peers, which is read once, at the start."""
    from ..sources import peer_files

    try:
        getattr(peer_files, reader)(Path(path))
    except ConfigError as error:
        return str(error)
    return None


def _folder(path: str) -> str | None:
    """A folder that a file can be made in."""
    folder = Path(path).parent
    if not folder.is_dir():
        return f"there is no folder {folder}"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"no permission to write in {folder} (running as uid {os.geteuid()})"
    return None


def _writable_if_there(path: str) -> str | None:
    if Path(path).exists() and not os.access(path, os.R_OK | os.W_OK):
        return f"no permission to write {path} (running as uid {os.geteuid()})"
    return None


def _readable_log(path: str) -> str | None:
    """A log may be missing, since rotation makes it anew; its folder may not."""
    log = Path(path)
    if not log.parent.is_dir():
        return f"there is no folder {log.parent}"
    if not os.access(log.parent, os.X_OK):
        return f"no permission to look into {log.parent} (running as uid {os.geteuid()})"
    if log.is_dir():
        return f"{path} is a folder; name the log file itself"
    return _readable(path) if log.exists() else None


def _on_path(program: str) -> str | None:
    from shutil import which

    if which(program) is None:
        return f"there is no {program} on this host (PATH is {os.environ.get('PATH', os.defpath)})"
    return None


def _account(account: str | int) -> str | None:
    if isinstance(account, str):
        try:
            pwd.getpwnam(account)
        except KeyError:
            return f"there is no account {account!r} on this host; a number is taken as it is"
    return None


def _tls(where: str, tls: Tls | None) -> list[tuple[str, str | None]]:
    if tls is None:
        return []
    files = {"certificate": tls.certificate, "key": tls.key, "client_ca": tls.client_ca}
    return [(f"{where}.{key}", _readable(path)) for key, path in files.items() if path is not None]


def _readable(path: str) -> str | None:
    if not Path(path).is_file():
        return f"there is no file {path}"
    if not os.access(path, os.R_OK):
        return (
            f"no permission to read {path} (running as uid {os.geteuid()});"
            " on Debian, members of the group adm may read logs"
        )
    return None
