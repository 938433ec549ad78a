"""Where something listens, and who may come: sockets, peers, TLS."""

from ipaddress import ip_address, ip_network
from typing import Literal

from msgspec import Struct

from ..core.addresses import NetworkSet
from .complaint import Complaint, absolute

Kind = Literal["inet", "udp", "unix", "unixgram"]

LOOPBACK = ("127.0.0.0/8", "::1/128")
_FORMS: dict[Kind, str] = {
    "inet": '"inet:127.0.0.1:10031"',
    "udp": '"udp:127.0.0.1:514"',
    "unix": '"unix:/path"',
    "unixgram": '"unixgram:/path"',
}


class Listen(Struct, frozen=True):
    """A socket in Postfix's notation: `inet:127.0.0.1:10031`, `inet:[::1]:10031`, `unix:/path`.

    `udp:` and `unixgram:` are the same for datagrams.
    """

    kind: Kind
    path: str | None = None
    host: str | None = None
    port: int = 0

    @property
    def datagram(self) -> bool:
        return self.kind in ("udp", "unixgram")

    @classmethod
    def read(cls, text: str, kinds: tuple[Kind, ...] = ("inet", "unix")) -> "Listen":
        """Read one of these kinds; ValueError says what would be right."""
        kind, _, rest = text.partition(":")
        if kind not in kinds:
            forms = " or ".join(_FORMS[k] for k in kinds)
            raise ValueError(f"{text!r} is no socket here; write {forms}")
        if kind in ("unix", "unixgram"):
            if not rest.startswith("/"):
                raise ValueError(f"{text!r}: after {kind}: an absolute path must stand")
            if len(rest.encode()) > 107:  # sun_path, unix(7)
                raise ValueError(f"{text!r}: a socket's path can have 107 bytes at most")
            return cls(kind, path=rest)
        host, _, port = rest.rpartition(":")
        if not (port.isdecimal() and port.isascii() and 1 <= int(port) <= 65_535):
            raise ValueError(f"{text!r} is no socket: a port from 1 to 65535 must stand at the end")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        try:
            return cls(kind, host=str(ip_address(bare)), port=int(port))
        except ValueError:
            raise ValueError(f"{text!r}: {bare!r} is no IP address") from None


class Tls(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """TLS for a listener. With `client_ca`, only peers whose certificate it signed may come."""

    certificate: str
    key: str
    client_ca: str | None = None
    client_names: tuple[str, ...] = ()

    def check(self, where: str) -> None:
        absolute(f"{where}.certificate", self.certificate)
        absolute(f"{where}.key", self.key)
        if self.client_ca is not None:
            absolute(f"{where}.client_ca", self.client_ca)
        elif self.client_names:
            raise Complaint(f"{where}.client_names", "names can be trusted only with a client_ca")


def networks(where: str, texts: tuple[str, ...]) -> NetworkSet:
    """Read networks, or complain about the first that is none."""
    found = []
    for i, text in enumerate(texts):
        try:
            found.append(ip_network(text))
        except ValueError as error:
            raise Complaint(f"{where}[{i}]", str(error)) from None
    return NetworkSet(tuple(found))
