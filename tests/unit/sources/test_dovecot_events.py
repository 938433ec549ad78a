"""Exported events: logins with their own time, ends joined by session, nothing else."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poplock.authorizer import Authorizer
from poplock.config.sources import DovecotEventsSettings
from poplock.core.answers import Permit, Query
from poplock.core.clock import FakeClock
from poplock.core.errors import StoreError, WireError
from poplock.core.events import Login, Logout
from poplock.sources.dovecot_events import application, read_event
from tests.asgi import ask
from tests.conftest import make_intake

FIELDS: dict[str, object] = {
    "success": "yes",
    "transport": "TLS",
    "session": "Ndh6yx",
    "remote_ip": "203.0.113.5",
    "remote_port": 38655,
    "user": "alice",
}
LOGIN: dict[str, object] = {
    "event": "auth_request_finished",
    "hostname": "mx",
    "start_time": "2027-01-15T07:29:59.231630Z",
    "end_time": "2027-01-15T07:30:00.500000Z",
    "fields": FIELDS | {"service": "imap"},
}
END: dict[str, object] = {
    "event": "mail_user_session_finished",
    "end_time": "2027-01-15T07:45:00Z",
    "categories": ["storage", "service:pop3"],
    "fields": {"user": "alice", "session": "Ndh6yx", "duration": 2953},
}


@pytest.mark.parametrize("name", ["service", "protocol"])
def test_a_finished_authentication_is_a_login_at_its_own_time(name: str) -> None:
    event = read_event(LOGIN | {"fields": FIELDS | {name: "imap"}})
    assert isinstance(event, Login)
    assert (str(event.ip), event.user, event.service) == ("203.0.113.5", "alice", "imap")
    assert (event.time, event.tls, event.session) == (1_799_998_200.5, True, "Ndh6yx")


@pytest.mark.parametrize("transport", ["insecure", "trusted", ""])
def test_only_tls_is_tls(transport: str) -> None:
    event = read_event(LOGIN | {"fields": FIELDS | {"transport": transport}})
    assert isinstance(event, Login) and event.tls is False


def test_a_finished_session_is_its_end() -> None:
    event = read_event(END)
    assert isinstance(event, Logout)
    assert (event.time, event.session, event.service) == (1_799_999_100.0, "Ndh6yx", "pop3")


@pytest.mark.parametrize(
    "event",
    [
        LOGIN | {"fields": {k: v for k, v in FIELDS.items() if k != "success"}},
        LOGIN | {"fields": FIELDS | {"success": "no"}},
        LOGIN | {"fields": FIELDS | {"success": True}},
        LOGIN | {"fields": FIELDS | {"master_user": "root"}},
        LOGIN | {"fields": FIELDS | {"remote_ip": ""}},
        LOGIN | {"fields": FIELDS | {"user": ""}},
        {"event": "client_connection_disconnected", "fields": {}},
    ],
)
def test_failures_master_users_and_other_events_are_nothing(event: dict[str, object]) -> None:
    assert read_event(event) is None


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({}, "not an event"),
        ({"event": "auth_request_finished", "fields": []}, "not an event"),
        (LOGIN | {"end_time": 1_800_000_000}, "'end_time' must be a text"),
        (LOGIN | {"end_time": "1800000000"}, "time_format = rfc3339"),
        (LOGIN | {"end_time": "2027-01-15T07:30:00"}, "no time with a zone"),
        (LOGIN | {"fields": FIELDS | {"remote_ip": "host"}}, "'remote_ip'"),
        (END | {"fields": {"session": "\x00"}}, "printable"),
    ],
)
def test_what_is_not_dovecots_is_told_so(event: dict[str, object], why: str) -> None:
    with pytest.raises(WireError, match=why):
        read_event(event)


scalars = st.none() | st.booleans() | st.integers() | st.text()
fields = st.dictionaries(st.sampled_from([*FIELDS, "protocol"]), scalars)


@given(
    st.dictionaries(st.sampled_from([*LOGIN, "categories"]), scalars | fields | st.lists(scalars))
)
def test_any_object_is_an_event_or_nothing_or_a_wire_error(body: dict[str, object]) -> None:
    try:
        event = read_event(body)
    except WireError:
        return
    assert event is None or isinstance(event, Login | Logout)


def test_late_events_count_by_their_own_time_and_an_end_starts_the_window(
    clock: FakeClock, authorizer: Authorizer
) -> None:
    intake = make_intake(clock, authorizer=authorizer)
    app = application(DovecotEventsSettings(listen=("inet:127.0.0.1:1",)), intake)
    assert clock.wall() == 1_800_000_000.0  # half an hour after the login
    assert asyncio.run(ask(app, "/dovecot/events", LOGIN)).status == 204
    answer = authorizer.check(Query("203.0.113.5"))
    assert isinstance(answer, Permit)
    assert answer.grant.expires_at == pytest.approx(clock.now() - 1799.5 + 86_400)
    assert asyncio.run(ask(app, "/dovecot/events", END)).status == 204
    answer = authorizer.check(Query("203.0.113.5"))
    assert isinstance(answer, Permit)
    assert answer.grant.expires_at == clock.now() - 900 + 3600


def test_an_event_that_is_not_on_disk_is_not_acknowledged(clock: FakeClock) -> None:
    async def broken() -> None:
        raise StoreError("disk full")

    app = application(
        DovecotEventsSettings(listen=("inet:127.0.0.1:1",)), make_intake(clock, kept=broken)
    )
    reply = asyncio.run(ask(app, "/dovecot/events", LOGIN))
    assert (reply.status, reply.is_problem) == (503, True)
