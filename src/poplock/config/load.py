"""Reads the configuration file, and says kindly what is wrong with it."""

import re
import tomllib
from pathlib import Path
from threading import Lock

import msgspec

from ..core.errors import ConfigError
from .complaint import Complaint
from .duration import Duration
from .model import Config, check
from .where import line_of

_LARGEST = 1_000_000  # bytes; a real file has a few thousand
# msgspec learns a type at its first use; two threads that are the first crash the interpreter.
_LEARNING = Lock()


def load_config(path: Path) -> Config:
    """Read and check the file at `path`; ConfigError says file, line, what and why."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot read the configuration: {error.strerror}."
            " Give another file with --config, or $POPLOCK_CONFIG."
        ) from error
    if len(data) > _LARGEST:
        raise ConfigError(f"{path}: larger than {_LARGEST} bytes; is this the configuration?")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: not UTF-8: {error.reason}") from error
    return parse_config(text, str(path))


def parse_config(text: str, name: str) -> Config:
    """Read and check a configuration's text; `name` is for messages."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        place = f"{name}:{line[1]}" if line else name
        raise ConfigError(f"{place}: not TOML: {error}") from error
    try:
        with _LEARNING:
            config = msgspec.convert(tree, Config, strict=True, dec_hook=_decode)
        check(config)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error), text, tree, name)) from error
    except Complaint as error:
        raise ConfigError(at(text, name, error.path, error.text)) from error
    return config


def _decode(_: type, value: object) -> object:
    return Duration.read(value)  # the only type of ours in the model


def _explain(message: str, text: str, tree: dict[str, object], name: str) -> str:
    what, _, path = message.rpartition(" - at `$")
    if not what:
        what, path = message, ""
    path = path.rstrip("`").lstrip(".")
    unknown = re.search(r"unknown field `(.+?)`", what)
    if unknown:
        key = unknown[1]
        from difflib import get_close_matches  # for the rare case

        close = get_close_matches(key, _names_at(path, tree), n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return at(text, name, f"{path}.{key}".lstrip("."), f"unknown key{hint}")
    missing = re.search(r"missing required field `(.+?)`", what)
    if missing:
        return at(text, name, path, f"the key {missing[1]!r} is missing")
    invalid = re.search(r"Invalid value '(.+?)'$", what)
    if invalid and path.endswith(".type"):
        known = _types(path.partition("[")[0])
        return at(text, name, path, f"no {invalid[1]!r} here; there are {', '.join(known)}")
    return at(text, name, path, what[0].lower() + what[1:])


def at(text: str, name: str, path: str, what: str) -> str:
    line = line_of(text, path)
    place = f"{name}:{line}" if line else name
    return f"{place}: {path}: {what}" if path else f"{place}: {what}"


def _kinds(section: str) -> dict[str, type[msgspec.Struct]]:
    """The structs that a section can hold, by their `type`; a plain section has the name ''."""
    info = next((f for f in msgspec.structs.fields(Config) if f.name == section), None)
    if info is None:
        return {}
    described = msgspec.inspect.type_info(info.type)
    if isinstance(described, msgspec.inspect.VarTupleType):
        described = described.item_type
    types = described.types if isinstance(described, msgspec.inspect.UnionType) else (described,)
    return {str(t.tag or ""): t.cls for t in types if isinstance(t, msgspec.inspect.StructType)}


def _types(section: str) -> list[str]:
    return list(_kinds(section))


def _names_at(path: str, tree: dict[str, object]) -> list[str]:
    """The keys that may stand at `path` (`""` is the top)."""
    if not path:
        return [f.name for f in msgspec.structs.fields(Config)]
    section, _, index = path.partition("[")
    kinds = _kinds(section)
    kind = ""
    tables = tree.get(section)
    if index and isinstance(tables, list):
        table = tables[int(index.split("]")[0])]
        kind = str(table.get("type", "")) if isinstance(table, dict) else ""
    struct = kinds.get(kind)
    return [f.name for f in msgspec.structs.fields(struct)] if struct else []
