"""Our cdb beside those that tcprules writes: every look-up gives the same."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poplock.config.maps import CdbSettings
from poplock.core.clock import FakeClock
from poplock.core.errors import MapError
from poplock.core.grants import Grant
from poplock.core.table import GrantTable
from poplock.maps.cdb import CdbMap
from poplock.maps.cdbfile import CdbImage, read_cdb
from poplock.maps.tcprules import read_rules

keys = st.binary(max_size=12)
pairs = st.lists(st.tuples(keys, st.binary(max_size=20)), max_size=40)


def grant(network: str, user: str = "ann", address: str = "") -> Grant:
    address = address or network.partition("/")[0]
    return Grant(network, user, "log", address, 0.0, 0.0, 2e9)  # type: ignore[arg-type]


def tcprules(folder: Path, text: bytes) -> dict[bytes, list[bytes]] | None:
    """What the real tcprules makes of rules; None where it refuses them."""
    program = shutil.which("tcprules")
    assert program, "tcprules is missing: apt-get install ucspi-tcp (scripts/setup servers does)"
    result = subprocess.run(
        [program, folder / "theirs.cdb", folder / "tmp"], input=text, capture_output=True
    )
    return by_key(read_cdb(folder / "theirs.cdb")) if result.returncode == 0 else None


def by_key(records: list[tuple[bytes, bytes]]) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for key, data in records:
        found.setdefault(key, []).append(data)
    return found


def lookup(path: Path, address: str) -> str:
    """What the real tcprulescheck finds for an address."""
    program = shutil.which("tcprulescheck")
    assert program
    result = subprocess.run(
        [program, path], env={"TCPREMOTEIP": address}, capture_output=True, text=True
    )
    return result.stdout


@given(pairs, st.lists(st.tuples(st.booleans(), keys, st.binary(max_size=20)), max_size=40))
def test_an_image_that_changed_holds_what_a_new_one_would(start, changes) -> None:  # type: ignore[no-untyped-def]
    image, model = CdbImage(start), list(start)
    for add, key, data in changes:
        if add:
            image.add(key, data)
            model.append((key, data))
        else:
            image.remove(key)
            first = next((i for i, (k, _) in enumerate(model) if k == key), None)
            if first is not None:
                del model[first]
        if len(model) % 5 == 0:
            image.snapshot().parts()
    assert list(image.records()) == model
    file = b"".join(image.snapshot().parts())
    fresh = b"".join(CdbImage(model).snapshot().parts())
    for key, _ in model:
        expected = next(d for k, d in model if k == key)
        assert raw_get(file, key) == raw_get(fresh, key) == expected
    assert raw_get(file, b"not there at all") is None


def raw_get(data: bytes, key: bytes) -> bytes | None:
    """A look-up by the format's description alone."""
    h = 5381
    for c in key:
        h = (((h << 5) + h) & 0xFFFFFFFF) ^ c
    number = lambda at: int.from_bytes(data[at : at + 4], "little")  # noqa: E731
    start, slots = number(h % 256 * 8), number(h % 256 * 8 + 4)
    for i in range(slots):
        slot = start + ((h >> 8) + i) % slots * 8
        position = number(slot + 4)
        if not position:
            return None
        if number(slot) == h:
            size, length = number(position), number(position + 4)
            if data[position + 8 : position + 8 + size] == key:
                return data[position + 8 + size : position + 8 + size + length]
    return None


RULES = rb"""# comment
127.:allow,RELAYCLIENT="",X='a"b'
10.1-3.:deny
=.example.org:allow
info@1.2.3.4:allow,A=/b/
192.0.2.7:allow,RBLSMTPD="",Y=xzx
a@1.2-3.4:allow
1.2-3.4-5:allow
5-3.:allow
192.0.2.:allow,Q="1"
  1.2.3.4:allow
192.0.2.7:deny
:allow,X="a"BLANKS

:deny,X="a"
""".replace(b"BLANKS", b"  \t")


def test_rules_are_read_as_tcprules_reads_them(tmp_path: Path) -> None:
    (tmp_path / "rules").write_bytes(RULES)
    assert by_key(read_rules(tmp_path / "rules")) == tcprules(tmp_path, RULES)


fragments = st.sampled_from(
    [
        b":allow",
        b":deny",
        b"1.2.3.4",
        b"10.1-2.",
        b",",
        b'X="a"',
        b"Y=",
        b"'",
        b'"',
        b"=",
        b"@",
        b"-",
        b"#",
        b" ",
        b"\t",
        b"h-3",
        b"7",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(fragments, max_size=8).map(b"".join))
def test_any_line_is_read_as_tcprules_reads_it_or_refused(tmp_path_factory, line) -> None:  # type: ignore[no-untyped-def]
    """We may refuse what it takes (a range without end, say), but never read it otherwise."""
    folder = tmp_path_factory.mktemp("rules")
    (folder / "rules").write_bytes(line + b"\n")
    theirs = tcprules(folder, line + b"\n")
    try:
        ours = by_key(read_rules(folder / "rules"))
    except MapError:
        return
    # Our addresses may hold colons, as those of IPv6 do; tcprules of ucspi-tcp refuses such lines.
    assert ours == theirs or any(b":" in key for key in ours)


def test_a_wrong_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "rules").write_bytes(b"127.:allow\n1.2.3.4:alow\n")
    with pytest.raises(MapError, match="rules:2: not a tcprules line"):
        read_rules(tmp_path / "rules")


def test_look_ups_in_the_published_cdb_equal_those_in_one_that_tcprules_made(
    tmp_path: Path,
) -> None:
    (tmp_path / "static").write_bytes(
        b'10.:allow,X="1"\n10.0.0.3:deny\n10.0.1.:deny\n:allow,Y="2"\n'
    )
    map_ = CdbMap(
        CdbSettings(path=str(tmp_path / "ours.cdb"), static=str(tmp_path / "static")), FakeClock()
    )
    table = GrantTable()
    for i in range(300):
        table.give(grant(f"10.0.{i // 250}.{i % 250}/32", f"user{i}"))
    table.give(grant("192.0.2.1/32", "bob"))
    map_.replace_all(list(table))
    map_.publish()
    map_.update([("10.0.0.7/32", None), ("10.0.0.8/32", grant("10.0.0.8/32", "other"))])  # type: ignore[list-item]
    map_.publish()
    text = (tmp_path / "static").read_bytes()
    for i in (*range(250),):
        if i in (3, 7):
            continue
        user = "other" if i == 8 else f"user{i}"
        text += (
            f'10.0.0.{i}:allow,X="1",RELAYCLIENT="",RBLSMTPD="",POPLOCK_USER="{user}"\n'.encode()
        )
    text += b'192.0.2.1:allow,Y="2",RELAYCLIENT="",RBLSMTPD="",POPLOCK_USER="bob"\n'
    theirs = tcprules(tmp_path, text)
    assert theirs == by_key(read_cdb(tmp_path / "ours.cdb"))
    for address in (
        "10.0.0.1",
        "10.0.0.3",
        "10.0.0.7",
        "10.0.0.8",
        "10.0.1.5",
        "192.0.2.1",
        "9.9.9.9",
    ):
        assert lookup(tmp_path / "ours.cdb", address) == lookup(tmp_path / "theirs.cdb", address)


def test_an_ipv6_grant_is_found_by_the_address_that_logged_in(tmp_path: Path) -> None:
    map_ = CdbMap(CdbSettings(path=str(tmp_path / "x.cdb")), FakeClock())
    table = GrantTable()
    table.give(grant("2001:db8::/64", address="2001:db8::5"))
    map_.replace_all(list(table))
    map_.publish()
    assert [k for k, _ in read_cdb(tmp_path / "x.cdb")] == [b"2001:db8::5"]
    map_.update([("2001:db8::/64", grant("2001:db8::/64", address="2001:db8::6"))])  # type: ignore[list-item]
    map_.publish()
    assert [k for k, _ in read_cdb(tmp_path / "x.cdb")] == [b"2001:db8::6"]


def test_clear_keeps_the_rules_of_the_last_time_where_the_operators_file_is_broken(
    tmp_path: Path,
) -> None:
    static = tmp_path / "static"
    static.write_text("10.:deny\n")
    settings = CdbSettings(path=str(tmp_path / "x.cdb"), static=str(static))
    map_, table = CdbMap(settings, FakeClock()), GrantTable()
    table.give(grant("192.0.2.1/32"))
    map_.replace_all(list(table))
    map_.publish()
    static.write_text("oops\n")
    CdbMap(settings, FakeClock()).clear()
    assert read_cdb(tmp_path / "x.cdb") == [(b"10.", b"D\0")]


def test_a_map_that_can_not_be_written_keeps_the_old_file_and_works_later(tmp_path: Path) -> None:
    folder = tmp_path / "maps"
    folder.mkdir()
    map_, table = CdbMap(CdbSettings(path=str(folder / "x.cdb")), FakeClock()), GrantTable()
    table.give(grant("192.0.2.1/32"))
    map_.replace_all(list(table))
    map_.publish()
    before = (folder / "x.cdb").read_bytes()
    (folder / ".x.cdb.new").mkdir()  # in the way, also for root
    map_.update([("192.0.2.2/32", grant("192.0.2.2/32"))])  # type: ignore[list-item]
    with pytest.raises(MapError, match="cannot write the map"):
        map_.publish()
    assert (folder / "x.cdb").read_bytes() == before
    (folder / ".x.cdb.new").rmdir()
    map_.publish()
    assert len(read_cdb(folder / "x.cdb")) == 2
