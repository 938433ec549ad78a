"""What stands under a key of the shared store."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poplock.core.addresses import Network
from poplock.core.errors import StoreError
from poplock.core.grants import Grant, Proof, Revoked, Session, merged
from poplock.stores.document import grant_register, pack, read, tombstone_register

NETWORK = Network("203.0.113.9/32")
SIX = Network("2001:db8::/64")

times = st.floats(1_700_000_000, 1_900_000_000)
names = st.text(min_size=1, max_size=20)


@st.composite
def grants(draw: st.DrawFn, network: Network = NETWORK) -> Grant:
    login = draw(times)
    older = tuple(Proof(login - n, login + 4000 + n) for n in range(draw(st.integers(0, 2))))
    sessions = tuple(Session(f"s{n}", login, login + 9000) for n in range(draw(st.integers(0, 2))))
    client = None if network is NETWORK else "2001:db8::5"
    user, source = draw(names), draw(names)
    return Grant(network, user, source, client, login - 1, login, login + 3600, older, sessions)


@given(st.one_of(grants(), grants(SIX)), names)
def test_a_grant_is_read_as_it_was_told(grant: Grant, host: str) -> None:
    packed = pack([grant_register(grant, host, grant.last_login)])
    assert read(packed, grant.network).grants == [grant]


@given(grants())
def test_what_two_hosts_tell_is_merged(grant: Grant) -> None:
    later = Grant(
        grant.network, grant.user, grant.source, None,
        grant.last_login + 9, grant.last_login + 9, grant.until + 9,
    )  # fmt: skip
    registers = [grant_register(grant, "a", 1.0), grant_register(later, "b", 1.0)]
    assert read(pack(registers), NETWORK).grants == [merged(grant, later)]


@given(st.none() | st.just(NETWORK), st.none() | names, st.none() | names, times)
def test_a_revocation_is_read_as_it_was_told(network, user, source, at) -> None:  # type: ignore[no-untyped-def]
    revoked = Revoked(network, user, at, source)
    assert read(pack([tombstone_register(revoked, at + 60)]), None).revoked == [revoked]


@given(st.binary(max_size=200))
def test_whatever_else_stands_there_is_an_error_that_says_so(junk: bytes) -> None:
    try:
        document = read(junk, NETWORK)
    except StoreError as error:
        assert "not written by poplock" in str(error)
    else:
        assert document.grants == []


@pytest.mark.parametrize(
    "content",
    [
        {'["g","ann","log","pop1"]': [1, 2]},
        {'["g","ann","log","pop1"]': [1, 2, 3, 4, "soon", "", [], []]},
        {'["g","ann","log"]': [1, 2, 3, 4, 5, "", [], []]},
        {'["x","ann","log","pop1"]': [1, 2]},
        {"ann": [1, 2]},
        {'["r","","",""]': ["now", 2]},
        [1, 2],
    ],
)
def test_a_register_of_another_shape_is_refused(content: object) -> None:
    with pytest.raises(StoreError):
        read(msgspec.msgpack.encode(content), NETWORK)


def test_a_grant_has_no_place_among_all_revocations() -> None:
    grant = Grant(NETWORK, "ann", "log", None, 1.0, 1.0, 2.0)
    with pytest.raises(StoreError):
        read(pack([grant_register(grant, "a", 1.0)]), None)
