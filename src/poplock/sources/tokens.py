"""Bearer tokens of the HTTP source: who may tell of what, and how fast.

    # name    may              hash of the secret   what else
    webmail   logins           sha256:5f3b...       rate=100/s
    vpn       logins,logouts   sha256:09ac...       networks=203.0.113.0/24 users=*@x.org

A token is NAME.SECRET, with 256 random bits as the secret. What is kept of it is its plain SHA-256:
a slow hash (scrypt, argon2) is for passwords that people choose and others guess; nobody guesses
256 random bits, and a slow hash at each request would be an open door for exhausting us. The name
finds the line, and the hash is compared in constant time, so how long an answer takes tells nothing
of a secret.
"""

import hmac
import re
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import sha256
from ipaddress import ip_network
from pathlib import Path

from ..core.addresses import IPAddress, NetworkSet
from ..core.errors import PoplockError

SCOPES = ("logins", "logouts")
DEFAULT_RATE = 1000.0  # items a second: far above a large site's logins, far below our limit

_LARGEST = 1_000_000  # bytes of the file: some ten thousand tokens
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_HASH = re.compile(r"sha256:([0-9a-f]{64})")
_RATE = re.compile(r"([0-9]{1,7})/([smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


class TokenFileError(PoplockError):
    """The file can't be read, or a line of it not be understood: then no token is good."""


@dataclass(slots=True)
class Token:
    """What one line says."""

    name: str
    scopes: frozenset[str]
    hash: bytes
    rate: float = DEFAULT_RATE
    networks: NetworkSet | None = None
    users: tuple[str, ...] = ()
    _left: float = field(default=-1.0, init=False)
    _at: float = field(default=-1.0, init=False)

    def why_not(self, ip: IPAddress | None, user: str | None) -> str | None:
        """Why it may not speak of this client; None where it may."""
        if self.networks is not None and (ip is None or self.networks.find(ip) is None):
            return f"the token {self.name} may not speak of {ip or 'a client without an address'}"
        if self.users and not any(fnmatchcase(user or "", pattern) for pattern in self.users):
            return f"the token {self.name} may not speak of {user or 'a client without a name'}"
        return None

    def wait(self, items: int, now: float) -> float:
        """Count items; or the seconds after which they may come, and nothing is counted.

        A bucket of a second's worth, at least one item. A batch larger than that passes when the
        bucket is full, and is worked off afterwards.
        """
        most = max(self.rate, 1.0)
        left = most if self._at < 0 else min(most, self._left + (now - self._at) * self.rate)
        short = min(items, most) - left
        if short > 1e-9:
            return short / self.rate
        self._left, self._at = left - items, now
        return 0.0


def make_token(name: str) -> tuple[str, str]:
    """A new token, and how its secret stands in the file."""
    secret = secrets.token_urlsafe(32)
    return f"{name}.{secret}", f"sha256:{sha256(secret.encode()).hexdigest()}"


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def read_rate(text: str) -> float:
    """`100/s`, `60/m` or `10/h` as items a second; ValueError for anything else or none."""
    match = _RATE.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise ValueError(f'{text!r} is no rate; write "100/s", "60/m" or "10/h"')
    return int(match[1]) / _SECONDS[match[2]]


def parse(text: str) -> dict[str, Token]:
    """The tokens of a file's text by name; ValueError with the line."""
    tokens: dict[str, Token] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            token = _token(words)
            if token.name in tokens:
                raise ValueError(f"the name {token.name!r} stands on another line already")
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        tokens[token.name] = token
    return tokens


def _token(words: list[str]) -> Token:
    if len(words) < 3:
        raise ValueError("a line has a name, scopes and a hash; see poplock token --help")
    name, scopes, digest, *more = words
    if not is_name(name):
        raise ValueError(f"{name!r} is no name: letters, digits, _ and -, at most 32")
    unknown = set(scopes.split(",")) - set(SCOPES)
    if unknown:
        raise ValueError(f"no scope {min(unknown)!r}; there are {', '.join(SCOPES)}")
    match = _HASH.fullmatch(digest)
    if match is None:
        raise ValueError("the third word must be sha256: and 64 hexadecimal digits")
    token = Token(name, frozenset(scopes.split(",")), bytes.fromhex(match[1]))
    for word in more:
        key, _, value = word.partition("=")
        if key == "rate":
            token.rate = read_rate(value)
        elif key == "networks":
            token.networks = NetworkSet(tuple(ip_network(n) for n in value.split(",")))
        elif key == "users" and value:
            token.users = tuple(value.split(","))
        else:
            raise ValueError(f"{word!r} is none of rate=, networks=, users=")
    return token


class Tokens:
    """A file of tokens, read again when it changes. `now` is any clock of seconds."""

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self._path = path
        self._now = now
        self._looked = -1.0
        self._seen: tuple[int, int, int] | None = None
        self._tokens: dict[str, Token] = {}
        self.trouble: str | None = None

    def find(self, given: str) -> Token | None:
        """The token that was given; None if there is none like it; TokenFileError."""
        self._look()
        name, _, secret = given.partition(".")
        token = self._tokens.get(name)
        known = token.hash if token is not None else bytes(32)
        same = hmac.compare_digest(sha256(secret.encode()).digest(), known)
        return token if same else None

    def _look(self) -> None:
        """Read the file if it isn't the one that was read; once a second at most."""
        now = self._now()
        if 0 <= now - self._looked < 1.0 and self.trouble is None:
            return
        self._looked = now
        try:
            info = self._path.stat()
            seen = (info.st_ino, info.st_size, info.st_mtime_ns)
            if seen != self._seen or self.trouble is not None:
                self.read()
                self._seen = seen
            self.trouble = None
        except (OSError, TokenFileError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            self.trouble = f"{self._path}: {why}; no token is good until that is mended"
            self._tokens = {}
            raise TokenFileError(self.trouble) from error

    def read(self) -> None:
        """Read the file; TokenFileError if that can't be, or is open to everybody."""
        try:
            info = self._path.stat()
            if info.st_mode & stat.S_IWOTH:
                raise TokenFileError("everybody may write it; chmod o-w")
            if info.st_size > _LARGEST:
                raise TokenFileError(f"larger than {_LARGEST} bytes")
            text = self._path.read_text()
            before, self._tokens = self._tokens, parse(text)
        except (OSError, ValueError) as error:
            raise TokenFileError(f"{error}") from error
        for name, token in self._tokens.items():
            old = before.get(name)
            if old is not None:  # a change of the file isn't a fresh start for who is too fast
                token._left, token._at = old._left, old._at
