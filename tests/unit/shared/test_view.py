"""What a host remembers of the shared store."""

from poplock.core.addresses import Network
from poplock.core.grants import Grant, Key, Revoked
from poplock.core.table import Change, GrantTable
from poplock.shared.view import View
from poplock.stores.document import Document

NETWORK, OTHER = Network("203.0.113.9/32"), Network("203.0.113.10/32")
NOW = 1_800_000_000.0
SKEW = 5.0


def grant(user: str = "ann", login: float = NOW - 60, network: Network = NETWORK) -> Grant:
    return Grant(network, user, "log", None, login, login, login + 3600)


def make() -> tuple[View, GrantTable]:
    own = GrantTable()
    return View(own, SKEW), own


def test_what_the_store_says_holds() -> None:
    view, _ = make()
    assert view.rights(Document([grant()], []), NOW) == [grant()]


def test_what_has_ended_does_not_hold_whatever_the_store_says() -> None:
    view, _ = make()
    assert view.rights(Document([grant(login=NOW - 3600)], []), NOW) == []


def test_a_revocation_that_this_host_knows_takes_it_off() -> None:
    view, own = make()
    own.revoke(Revoked(None, "ann", NOW - 1))
    assert view.rights(Document([grant(), grant("bob")], []), NOW) == [grant("bob")]


def test_a_release_that_stands_beside_it_takes_it_off() -> None:
    view, _ = make()
    released = Revoked(NETWORK, "ann", NOW - 1, "log")
    assert view.rights(Document([grant(), grant("bob")], [released]), NOW) == [grant("bob")]


def test_a_login_after_a_revocation_holds() -> None:
    view, own = make()
    own.revoke(Revoked(NETWORK, None, NOW - 100))
    assert view.rights(Document([grant()], []), NOW) == [grant()]


def test_a_login_in_the_future_earns_nothing_yet() -> None:
    view, _ = make()
    document = Document([grant(login=NOW + 3600)], [])
    assert view.rights(document, NOW) == []
    assert view.rights(document, NOW + 3600 - SKEW) == [grant(login=NOW + 3600)]


def test_remembering_anew_says_what_has_changed() -> None:
    view, _ = make()
    view.remember(NETWORK, [grant(), grant("bob")])
    later = grant("bob", NOW)
    changes = view.remember(NETWORK, [later])
    assert changes == [Change(Key(NETWORK, "ann", "log"), None), Change(later.key, later)]
    assert list(view.table) == [later]


def test_a_network_that_was_changed_is_forgotten_and_no_other() -> None:
    view, _ = make()
    view.remember(NETWORK, [grant()])
    view.remember(OTHER, [grant(network=OTHER)])
    assert view.drop(NETWORK) == [Change(grant().key, None)]
    assert [g.network for g in view.table] == [OTHER]


def test_a_revocation_counts_at_once() -> None:
    view, own = make()
    view.remember(NETWORK, [grant(), grant("bob")])
    revoked = Revoked(None, "bob", NOW)
    own.revoke(revoked)
    assert Change(grant("bob").key, None) in view.revoke(revoked)
    assert list(view.table) == [grant()]
