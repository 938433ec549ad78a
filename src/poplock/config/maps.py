"""`[[map]]`: files that MTAs read by themselves. A struct for each format.

To add one: a struct here, in `MapTypes` too, and a row in `maps.MAPS`.
"""

from typing import ClassVar, Literal

from msgspec import Struct

from .complaint import Complaint, absolute, octal
from .duration import Duration

_SHORTEST = 60.0  # seconds of a lease: a daemon that is busy for a moment must not lose it


class MapSettings(Struct, tag_field="type", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Where it stands, whose it is, and how long its word lasts without us (`maps.lease`)."""

    path: str
    lease: Duration = Duration(300)
    group: str | None = None
    mode: str = "0644"

    def check(self, where: str) -> None:
        """Raise Complaint for a value that can't be meant."""
        absolute(f"{where}.path", self.path)
        octal(f"{where}.mode", self.mode)
        if self.lease < _SHORTEST:
            raise Complaint(
                f"{where}.lease", f"{self.lease:.0f} s is too short; at least {_SHORTEST:.0f} s"
            )


class CdbSettings(MapSettings, tag="cdb", kw_only=True, frozen=True):
    """A cdb for `tcpserver -x`."""

    static: str | None = None
    relayclient: str = ""
    rblsmtpd: bool = True


class DirectorySettings(MapSettings, tag="directory", kw_only=True, frozen=True):
    """A folder for `poplock-check`."""

    lease: Duration = Duration(3600)


class AddressesSettings(MapSettings, tag="addresses", kw_only=True, frozen=True):
    """A folder with a file for each address, for Exim's dsearch."""


class _NamedSettings(MapSettings, kw_only=True, frozen=True):
    """A file whose name Postfix makes from the table's by an ending."""

    ending: ClassVar[str]

    def check(self, where: str) -> None:
        super().check(where)
        if not self.path.endswith(self.ending):
            raise Complaint(
                f"{where}.path", f"{self.path!r} must end in {self.ending}: Postfix appends that"
            )


class AddressCdbSettings(_NamedSettings, tag="address_cdb", kw_only=True, frozen=True):
    """What `cdb:` of Postfix reads, and Exim's cdb look-up."""

    ending: ClassVar[str] = ".cdb"

    value: Literal["ok", "user"] = "ok"


class PostfixLmdbSettings(_NamedSettings, tag="postfix_lmdb", kw_only=True, frozen=True):
    """What `lmdb:` of Postfix reads."""

    ending: ClassVar[str] = ".lmdb"


class SqliteSettings(MapSettings, tag="sqlite", kw_only=True, frozen=True):
    """A published copy with each grant's end in its row."""

    lease: Duration = Duration(3600)
    stamp: str | None = None
    after: tuple[str, ...] = ()

    def check(self, where: str) -> None:
        super().check(where)
        if self.stamp is not None:
            absolute(f"{where}.stamp", self.stamp)
            if not self.stamp.endswith(".cdb"):
                raise Complaint(f"{where}.stamp", f"{self.stamp!r} must end in .cdb: it is one")
        if self.after:
            absolute(f"{where}.after[0]", self.after[0])


class TextSettings(MapSettings, tag="text", kw_only=True, frozen=True):
    """A text file for one kind of reader."""

    form: Literal["plain", "postfix_cidr", "exim", "sendmail", "opensmtpd", "courier"]
    static: str | None = None
    after: tuple[str, ...] = ()

    def check(self, where: str) -> None:
        super().check(where)
        if self.static is not None:
            absolute(f"{where}.static", self.static)
        if self.after:
            absolute(f"{where}.after[0]", self.after[0])


MapTypes = (
    CdbSettings
    | DirectorySettings
    | AddressesSettings
    | AddressCdbSettings
    | PostfixLmdbSettings
    | SqliteSettings
    | TextSettings
)
