"""Auth policy requests: only what Dovecot says to be a login is one, and no login is held up."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poplock.config.sources import DovecotAuthPolicySettings
from poplock.core.clock import FakeClock
from poplock.core.errors import StoreError, WireError
from poplock.core.events import NOW, Event, Failure, Login
from poplock.sources import dovecot_auth_policy
from poplock.sources.dovecot_auth_policy import application, read_event
from tests.asgi import Reply, ask
from tests.conftest import make_intake

REPORT = {
    "device_id": "",
    "login": "ann@example.org",
    "master_user": "",
    "protocol": "imap",
    "remote": "2001:db8::77",
    "session_id": "yzjfO",
    "success": True,
    "policy_reject": False,
    "tls": True,
}
ALLOW = {k: v for k, v in REPORT.items() if k not in ("success", "policy_reject")}
PROVEN = ALLOW | {"authenticated": "yes"}


class World:
    """An application, and what was recorded."""

    def __init__(self, clock: FakeClock, **settings: object) -> None:
        self.seen: list[Event] = []
        self.kept: Callable[[], Awaitable[None]] = self._at_once
        self.intake = make_intake(clock, self.seen, lambda: self.kept())
        listen = ("inet:127.0.0.1:1",)
        given = DovecotAuthPolicySettings(listen=listen, **settings)  # type: ignore[arg-type]
        self.app = application(given, self.intake)

    async def _at_once(self) -> None:
        pass

    def ask(self, place: str, command: str, body: object, **headers: str) -> Reply:
        query = f"command={command}" if command else ""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return asyncio.run(ask(self.app, f"/dovecot/{place}", body, sent, query=query))


@pytest.fixture
def world(clock: FakeClock) -> World:
    return World(clock)


def test_a_report_of_success_is_a_login(world: World) -> None:
    reply = world.ask("report", "report", REPORT)
    assert (reply.status, reply.json) == (200, {"status": 0, "msg": ""})
    (login,) = world.seen
    assert isinstance(login, Login)
    assert (str(login.ip), login.user, login.service) == ("2001:db8::77", "ann@example.org", "imap")
    assert (login.time, login.tls, login.session) == (NOW, True, None)


def test_an_allow_that_proves_a_login_is_one(world: World) -> None:
    assert world.ask("after-auth", "allow", PROVEN).json == {"status": 0, "msg": ""}
    assert [type(e) for e in world.seen] == [Login]


@pytest.mark.parametrize("authenticated", [{}, {"authenticated": ""}])
def test_an_allow_that_proves_nothing_goes_on_earns_nothing_and_stands_in_status(
    world: World, authenticated: dict[str, str]
) -> None:
    # What Dovecot sends before the password check, where that check was left on.
    reply = world.ask("after-auth", "allow", ALLOW | authenticated)
    assert (reply.status, reply.json["status"]) == (200, 0)
    assert world.seen == []
    assert "1 requests didn't prove a login" in str(world.intake.health.trouble)


def test_without_a_word_about_master_users_nothing_is_a_login(world: World) -> None:
    silent = {k: v for k, v in REPORT.items() if k != "master_user"}
    world.ask("report", "report", silent)
    world.ask("after-auth", "allow", silent | {"authenticated": "yes"})
    assert world.seen == []
    assert "2 requests didn't prove a login" in str(world.intake.health.trouble)


@pytest.mark.parametrize(
    ("place", "command", "body"),
    [("report", "allow", REPORT | PROVEN), ("after-auth", "report", REPORT | PROVEN)],
)
def test_the_other_command_goes_on_and_records_nothing(
    world: World, place: str, command: str, body: object
) -> None:
    assert world.ask(place, command, body).json == {"status": 0, "msg": ""}
    assert world.seen == []


@pytest.mark.parametrize(
    "wrong",
    [{"success": False}, {"success": "true"}, {"success": 1}, {"policy_reject": True}],
)
def test_what_did_not_succeed_is_no_login(world: World, wrong: dict[str, object]) -> None:
    assert world.ask("report", "report", REPORT | wrong).status == 200
    assert [type(e) for e in world.seen] == [Failure]


@pytest.mark.parametrize(
    "wrong", [{"master_user": "root"}, {"login": "ann*root"}, {"login": ""}, {"remote": ""}]
)
def test_master_users_and_nobody_from_nowhere_earn_nothing(
    world: World, wrong: dict[str, object]
) -> None:
    world.ask("report", "report", REPORT | wrong)
    world.ask("after-auth", "allow", PROVEN | wrong)
    assert world.seen == []


def test_sessions_begin_only_where_somebody_tells_their_ends(clock: FakeClock) -> None:
    world = World(clock, events=True)
    world.ask("after-auth", "allow", PROVEN)
    assert world.seen[0].session == "yzjfO"
    body = {"event": "mail_user_session_finished", "end_time": "2026-11-25T10:00:00Z"}
    assert world.ask("events", "", body | {"fields": {"session": "yzjfO"}}).status == 204
    assert world.seen[1].session == "yzjfO"
    assert World(clock).ask("events", "", body).status == 404


def test_a_store_that_fails_lets_the_login_go_on_and_stands_in_status(world: World) -> None:
    async def broken() -> None:
        raise StoreError("disk full")

    world.kept = broken
    assert world.ask("after-auth", "allow", PROVEN).json == {"status": 0, "msg": ""}
    assert "1 logins were let through before they were on disk" in str(world.intake.health.trouble)
    assert len(world.seen) == 1


def test_a_disk_that_hangs_holds_a_login_up_for_a_moment_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs() -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(dovecot_auth_policy, "_PATIENCE", 0.01)
    world.kept = hangs
    assert world.ask("after-auth", "allow", PROVEN).json == {"status": 0, "msg": ""}
    assert "before they were on disk" in str(world.intake.health.trouble)


def test_the_key_is_looked_for_where_dovecot_can_put_it(clock: FakeClock, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sesame-sesame-sesame\n")
    world = World(clock, api_key_file=str(file))
    for right in (
        {"X_API_Key": "sesame-sesame-sesame"},
        {"Authorization": "Bearer sesame-sesame-sesame"},
        {"Authorization": "Basic cG9wbG9jazpzZXNhbWUtc2VzYW1lLXNlc2FtZQ=="},
    ):
        assert world.ask("report", "report", REPORT, **right).status == 200
    recorded = len(world.seen)
    for wrong in (
        {},
        {"X_API_Key": "sesame"},
        {"X_API_Key": "\xe4"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic %"},
        {"Authorization": "Digest sesame-sesame-sesame"},
    ):
        reply = world.ask("report", "report", REPORT, **wrong)
        assert (reply.status, reply.is_problem) == (401, True)
    assert len(world.seen) == recorded == 3


@pytest.mark.parametrize(
    ("command", "body", "why"),
    [
        ("", REPORT, "command=allow or command=report"),
        ("report", b'{"success":true,"success":false}', "'success' stands twice"),
        ("report", b"[]", "not a JSON object"),
        ("report", REPORT | {"login": 5}, "'login' must be a text"),
        ("report", REPORT | {"login": "a\r\nb"}, "printable"),
        ("report", REPORT | {"remote": "fe80::1%eth0"}, "zone id"),
        ("report", REPORT | {"session_id": "x" * 256}, "at most 255"),
    ],
)
def test_what_is_not_dovecots_is_told_so(
    world: World, command: str, body: object, why: str
) -> None:
    reply = world.ask("report", command, body)
    assert (reply.status, reply.is_problem) == (400, True)
    assert why in reply.json["detail"]
    assert world.seen == []


def test_a_body_that_is_too_large_is_not_collected(world: World) -> None:
    reply = world.ask("report", "report", b"{" + b" " * dovecot_auth_policy.MOST_BODY + b"}")
    assert (reply.status, reply.is_problem) == (413, True)


@given(
    st.dictionaries(
        st.sampled_from([*REPORT, "authenticated"]),
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()),
    ),
    st.sampled_from(["report", "after-auth"]),
    st.sampled_from(["allow", "report", None]),
)
def test_no_body_earns_a_login_without_saying_that_it_succeeded(
    body: dict[str, object], mode: dovecot_auth_policy.Mode, command: str | None
) -> None:
    try:
        event = read_event(mode, command, body, sessions=False, master="*")
    except WireError:
        return
    if isinstance(event, Login):
        proof = body.get("success") if mode == "report" else body.get("authenticated")
        assert proof is True or (mode == "after-auth" and proof)
        assert command == {"report": "report", "after-auth": "allow"}[mode]
        assert event.user == body["login"] and "*" not in str(event.user)
        assert body["master_user"] == ""
