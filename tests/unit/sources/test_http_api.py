"""The HTTP API: what is recorded, what is refused and how, what is told twice."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from poplock.authorizer import Authorizer
from poplock.config.sources import HttpSettings
from poplock.core.answers import Permit, Query
from poplock.core.clock import FakeClock
from poplock.core.errors import StoreError
from poplock.core.events import NOW, Event, Login, Logout
from poplock.sources.http import MOST_BODY, MOST_ITEMS, application
from poplock.sources.tokens import make_token
from tests.asgi import Reply, ask
from tests.conftest import make_intake

ANN = {"ip": "203.0.113.9", "user": "ann@example.org", "service": "imap"}


class World:
    """An application, a token for it, and what was recorded."""

    def __init__(
        self,
        folder: Path,
        clock: FakeClock,
        line: str = "logins,logouts",
        more: str = "",
        authorizer: Authorizer | None = None,
    ) -> None:
        self.token, kept = make_token("t")
        self.file = folder / "tokens"
        self.file.write_text(f"t {line} {kept} {more}\n")
        self.seen: list[Event] = []
        self.broken: str | None = None
        self.kept: Callable[[], Awaitable[None]] = self._kept
        self.intake = make_intake(clock, self.seen, self._kept, authorizer)
        settings = HttpSettings(listen=("inet:127.0.0.1:1",), tokens_file=str(self.file))
        self.app = application(settings, self.intake)

    async def _kept(self) -> None:
        if self.broken is not None:
            raise StoreError(self.broken)

    def tell(self, body: object, what: str = "logins", **more: Any) -> Reply:
        headers = {"Authorization": f"Bearer {self.token}"} | more.pop("headers", {})
        return asyncio.run(ask(self.app, f"/v1/{what}", body, headers, **more))


@pytest.fixture
def world(tmp_path: Path, clock: FakeClock) -> World:
    return World(tmp_path, clock)


def test_a_login_is_recorded_as_it_was_told(world: World, clock: FakeClock) -> None:
    reply = world.tell(
        ANN | {"tls": True, "session": "s1", "id": "7", "time": "2026-11-25T10:00:00Z"}
    )
    assert (reply.status, reply.json) == (200, {"id": "7", "status": "recorded"})
    (login,) = world.seen
    assert isinstance(login, Login)
    assert (str(login.ip), login.user, login.service) == ("203.0.113.9", "ann@example.org", "imap")
    assert (login.tls, login.session, login.source) == (True, "t/s1", "log")
    assert login.time == 1_795_600_800.0


def test_without_a_time_it_is_now(world: World) -> None:
    world.tell(ANN)
    assert world.seen[0].time == NOW


def test_a_batch_has_a_result_for_each_item_and_a_wrong_one_keeps_no_other_out(
    world: World,
) -> None:
    reply = world.tell([ANN, ANN | {"ip": "host.example"}, 5, ANN | {"servce": "imap"}, ANN])
    assert (reply.status, reply.is_problem) == (422, True)
    assert reply.json["detail"] == "3 of 5 items refused; the others are recorded"
    results = reply.json["results"]
    assert [r["status"] for r in results] == ["recorded", *["refused"] * 3, "recorded"]
    assert results[1]["problem"]["member"] == "ip"
    assert "host.example" in results[1]["problem"]["detail"]
    assert results[2]["problem"]["detail"] == "an item must be a JSON object"
    assert "servce" in results[3]["problem"]["detail"]
    assert len(world.seen) == 2


def test_one_item_a_line_is_a_batch_and_a_broken_line_is_its_own_trouble(world: World) -> None:
    body = b'{"ip":"203.0.113.9","user":"a","service":"imap"}\n\n{"ip"\n{"ip":"::1","ip":"::2"}\n'
    for kind in ("application/x-ndjson", "application/jsonl; charset=utf-8"):
        reply = world.tell(body, headers={"Content-Type": kind})
        results = reply.json["results"]
        assert [r.get("problem", {}).get("status") for r in results] == [None, 400, 400]
        assert "'ip' stands twice" in results[2]["problem"]["detail"]


@pytest.mark.parametrize(
    ("item", "member", "why"),
    [
        (ANN | {"ip": "fe80::1%eth0"}, "ip", "zone id"),
        (ANN | {"ip": "203.0.113.9/24"}, "ip", "no IP address"),
        (ANN | {"user": ""}, "user", "length >= 1"),
        (ANN | {"user": "a\nb"}, "user", "printable"),
        (ANN | {"user": "x" * 256}, "user", "length <= 255"),
        (ANN | {"service": "IMAP "}, "service", "regex"),
        (ANN | {"tls": "yes"}, "tls", "Expected `bool"),
        (ANN | {"time": "2026-11-25T10:00:00"}, "time", "timezone"),
        (ANN | {"time": "yesterday"}, "time", "RFC3339"),
        (ANN | {"time": "2999-01-01T00:00:00Z"}, "time", "in the future"),
        (ANN | {"session": "a\x00"}, "session", "printable"),
        ({"ip": "203.0.113.9", "user": "ann"}, None, "missing required field `service`"),
    ],
)
def test_a_wrong_member_is_named_with_what_would_be_right(
    world: World, item: object, member: str | None, why: str
) -> None:
    reply = world.tell(item)
    assert (reply.status, reply.is_problem) == (422, True)
    assert reply.json.get("member") == member
    assert why in reply.json["detail"]
    assert world.seen == []


@pytest.mark.parametrize(
    ("body", "more", "status"),
    [
        (b"{", {}, 400),
        (b'{"ip":"203.0.113.9","ip":"203.0.113.8","user":"a","service":"imap"}', {}, 400),
        (b"\xff", {}, 400),
        (b"[]", {}, 422),
        (b'"x"', {}, 422),
        ([ANN] * (MOST_ITEMS + 1), {}, 413),
        (b" " * (MOST_BODY + 1), {}, 413),
        (b"{}", {"headers": {"Content-Type": "text/plain"}}, 415),
        (b"{}", {"headers": {"Content-Encoding": "gzip"}}, 415),
        (b"{}", {"headers": {"Authorization": "Bearer t.wrong"}}, 401),
        (b"{}", {"headers": {"Authorization": "Basic dDp3cm9uZw=="}}, 401),
        (b"{}", {"headers": {"Authorization": ""}}, 401),
        (b"{}", {"method": "PUT"}, 405),
    ],
)
def test_each_fault_has_its_status_and_records_nothing(
    world: World, body: object, more: dict[str, Any], status: int
) -> None:
    reply = world.tell(body, **more)
    assert (reply.status, reply.is_problem) == (status, True)
    if status == 401:
        assert reply.headers["www-authenticate"] == "Bearer"
    assert world.seen == []


def test_a_body_without_a_length_is_bounded_all_the_same(world: World) -> None:
    big = b" " * (MOST_BODY + 1)
    reply = world.tell(big, headers={"content-length": "0"}, cut=65_536)
    assert (reply.status, reply.is_problem) == (413, True)


def test_a_token_is_for_its_scope_its_networks_and_its_users(
    tmp_path: Path, clock: FakeClock
) -> None:
    more = "networks=203.0.113.0/24 users=*@example.org"
    world = World(tmp_path, clock, "logins", more)
    assert world.tell(ANN).status == 200
    for wrong in ({"ip": "198.51.100.1"}, {"user": "root"}):
        reply = world.tell(ANN | wrong)
        assert (reply.status, reply.is_problem) == (403, True)
    reply = world.tell({"session": "s"}, "logouts")
    assert (reply.status, reply.is_problem) == (403, True)
    assert "insufficient_scope" in reply.headers["www-authenticate"]
    assert len(world.seen) == 1


def test_too_fast_is_told_when_to_come_again(tmp_path: Path, clock: FakeClock) -> None:
    world = World(tmp_path, clock, more="rate=2/s")
    assert world.tell([ANN, ANN]).status == 200
    reply = world.tell(ANN)
    assert (reply.status, reply.headers["retry-after"], reply.is_problem) == (429, "1", True)
    assert len(world.seen) == 2
    clock.advance(1.0)
    assert world.tell(ANN).status == 200


def test_an_id_told_again_counts_once_with_the_same_answer(world: World) -> None:
    first, again = world.tell(ANN | {"id": "e1"}), world.tell(ANN | {"id": "e1"})
    assert first.body == again.body
    assert world.tell([ANN | {"id": "e1"}, ANN | {"id": "e2"}]).status == 200
    assert len(world.seen) == 2
    reply = world.tell(ANN | {"id": "e1", "user": "bob"})
    assert (reply.status, reply.json["member"]) == (409, "id")
    assert len(world.seen) == 2


def test_a_store_that_does_not_work_is_told_and_the_repetition_counts_once(world: World) -> None:
    world.broken = "disk full"
    reply = world.tell(ANN | {"id": "e1"})
    assert (reply.status, reply.headers["retry-after"], reply.is_problem) == (503, "1", True)
    assert "disk full" in reply.json["detail"]
    world.broken = None
    assert world.tell(ANN | {"id": "e1"}).status == 200
    assert len(world.seen) == 1


def test_tokens_that_cannot_be_read_are_our_trouble_and_stand_in_status(
    world: World, clock: FakeClock
) -> None:
    assert world.tell(ANN).status == 200
    world.file.write_text("nonsense\n")
    clock.advance(1.0)
    reply = world.tell(ANN)
    assert (reply.status, reply.is_problem) == (503, True)
    assert "line 1" in str(world.intake.health.trouble)


def test_an_end_is_that_of_a_session_of_the_same_token(world: World) -> None:
    assert world.tell({"session": "s1", "time": "2026-11-25T10:00:00Z"}, "logouts").status == 200
    assert world.seen == [
        Logout(1_795_600_800.0, None, None, "", None, "t/s1", "log", "http", released=False)
    ]


@pytest.mark.parametrize(
    ("item", "status"),
    [
        ({}, 422),
        ({"ip": "203.0.113.9", "user": "ann"}, 422),
        ({"ip": "203.0.113.9", "released": True}, 422),
        ({"ip": "203.0.113.9", "user": "ann", "released": True}, 200),
    ],
)
def test_a_logout_says_what_has_ended(world: World, item: object, status: int) -> None:
    assert world.tell(item, "logouts").status == status


def test_a_late_login_earns_from_its_own_time_and_a_released_address_nothing_more(
    tmp_path: Path, clock: FakeClock, authorizer: Authorizer
) -> None:
    world = World(tmp_path, clock, authorizer=authorizer)
    world.tell(ANN | {"time": "2027-01-15T07:30:00Z"})  # half an hour ago
    assert clock.wall() == 1_800_000_000.0
    answer = authorizer.check(Query("203.0.113.9"))
    assert isinstance(answer, Permit)
    assert answer.grant.expires_at == clock.now() + 1800
    gone = {"ip": "203.0.113.9", "user": ANN["user"], "released": True}
    assert world.tell(gone, "logouts").status == 200
    assert not isinstance(authorizer.check(Query("203.0.113.9")), Permit)


def test_the_description_is_there_for_everybody(world: World) -> None:
    reply = asyncio.run(ask(world.app, "/v1/openapi.json", b"", method="GET"))
    assert reply.status == 200
    assert set(reply.json["paths"]) == {"/v1/logins", "/v1/logouts", "/v1/openapi.json"}
