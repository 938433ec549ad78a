"""`poplock watch`: what its page shows, on any terminal, and what it never shows."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from poplock.cli.watch import Window
from poplock.cli.watch_view import View
from poplock.core.errors import PoplockError
from poplock.office import stamp

NOW = 1_800_000_000.0


def grant(number: int, user: str = "ann", left: float = 1800.0) -> dict[str, Any]:
    return {
        "network": f"203.0.113.{number}/32",
        "user": user,
        "granted_at": stamp(NOW - 1800),
        "last_login": stamp(NOW - 1800),
        "expires_at": stamp(NOW + left),
        "sessions": number % 2,
        "source": "file:/var/log/mail.log",
    }


def deed(event: str, user: str = "ann", count: int = 1, at: float | None = NOW) -> dict[str, Any]:
    return {
        "at": None if at is None else stamp(at),
        "event": event,
        "network": "203.0.113.9/32",
        "user": user,
        "source": "file:/var/log/mail.log",
        "address": "203.0.113.9",
        "count": count,
        "until": stamp(NOW + 3600) if event == "granted" else None,
    }


def reply(**more: Any) -> dict[str, Any]:
    status = {
        "health": "ok",
        "troubles": [],
        "version": "1",
        "started_at": stamp(NOW - 7200),
        "grants": 12_345,
        "counts": {"logins": 0, "permits": 0, "no_opinions": 0, "unavailable": 0},
        "sources": [],
        "shared": None,
    }
    return {"status": status | more, "grants": [], "deeds": [], "uses": []}


def source(number: int) -> dict[str, Any]:
    return {
        "source": f"file:{number}",
        "caught_up": number % 2 == 0,
        "lag_bytes": 4711,
        "events": 9,
        "last_login": stamp(NOW - 5) if number else None,
        "trouble": None,
    }


def page(view: View, width: int = 120, height: int = 40) -> list[str]:
    """What a terminal of that size would be sent, line by line."""
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=False)
    console.print(view.draw(width, height, NOW))
    return out.getvalue().splitlines()


def full() -> dict[str, Any]:
    """More of everything than fits."""
    row = reply(troubles=["the disk is full"] * 9, sources=[source(n) for n in range(30)])
    row["grants"] = [grant(n % 250, f"user{n}@{'example.' * 9}org") for n in range(300)]
    row["deeds"] = [deed("granted", f"user{n}") for n in range(300)]
    row["uses"] = [deed("used", "last", 7, None)]
    return row


@pytest.mark.parametrize("width", [1, 10, 20, 40, 59, 80, 132, 400])
@pytest.mark.parametrize("height", [1, 2, 5, 8, 24, 60])
def test_a_page_is_never_larger_than_the_terminal(width: int, height: int) -> None:
    view = View()
    view.take(full(), None, 0.0)
    for trouble in (None, "no daemon listens on /run/poplock/control.sock"):
        view.take(None, trouble, 1.0)
        lines = page(view, width, height)
        assert all(len(line) <= width for line in lines)
        if height >= 24:  # Live crops what is lower still, from below
            assert len(lines) <= height


def test_a_page_shows_the_daemon_its_sources_who_may_relay_and_what_happened() -> None:
    view, row = View(), reply(sources=[source(0), source(1)], troubles=["the disk is full"])
    row["grants"] = [grant(8), grant(9, "bob", left=30)]
    row["deeds"] = [deed("granted"), deed("revoked", "eve")]
    row["uses"] = [deed("used", "bob", 7, None)]
    view.take(row, None, 0.0)
    lines = page(view, 160)
    assert "poplock 1 ok  12,345 grants  up 2 h" in lines[0]
    assert lines[2] == "! the disk is full"
    assert "file:0  caught up  9 events  no login yet" in lines[3]
    assert "file:1  4,711 bytes behind  9 events  last login 5 s ago" in lines[4]
    assert lines[6].split()[:4] == ["203.0.113.8/32", "ann", "30", "min"]
    assert lines[7].split()[:4] == ["203.0.113.9/32", "bob", "30", "s"]
    assert "for 60 min by file:/var/log/mail.log" in lines[-3]
    assert lines[-2].split()[1:3] == ["revoked", "eve"]
    assert lines[-1].split()[:3] == ["now", "used", "bob"]
    assert "7 times by 203.0.113.9" in lines[-1]
    assert len(lines) == 40  # events stand at the bottom, however few grants there are


def test_a_page_says_whose_grants_they_are_where_hosts_share_a_store() -> None:
    view = View()
    shared = {"host": "smtp1", "masters": {"redis:6379": True}, "remembered": 7}
    view.take(reply(shared=shared, grants=0), None, 0.0)
    lines = page(view, 160)
    assert "shared as smtp1  linked  0 grants are of this host's sources" in lines[2]
    assert "7 of all hosts' are known here" in lines[2]
    shared["masters"] = {"redis:6379": False}
    assert "not linked to redis:6379" in page(view, 160)[2]


def test_the_bar_drains() -> None:
    view, row = View(), reply()
    row["grants"] = [grant(1, left=1800.0), grant(2, left=0.0)]
    view.take(row, None, 0.0)
    out = io.StringIO()
    Console(file=out, width=120, height=20, force_terminal=True, color_system="truecolor").print(
        view.draw(120, 20, NOW)
    )
    half, empty = (line for line in out.getvalue().splitlines() if "203.0.113" in line)
    assert "\x1b[32m━━━━━━" in half
    assert "\x1b[32m" not in empty
    assert "0 s" in empty


@pytest.mark.parametrize("name", ["[red]ann[/]", "ann\x1b[2J", "ann\r\n\x07", "a‮nn", "[/]"])
def test_names_of_strangers_are_neither_markup_nor_orders_to_the_terminal(name: str) -> None:
    view, row = View(), reply(sources=[source(0) | {"source": name}], troubles=[name])
    row["grants"], row["deeds"] = [grant(8, name)], [deed("granted", name)]
    view.take(row, None, 0.0)
    text = "\n".join(page(view))
    assert text.replace("\n", "").isprintable()
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in name)
    assert text.count(shown) == 4


def test_rates_are_of_the_time_between_two_looks_and_never_span_a_restart() -> None:
    view = View()
    counts = {"logins": 10, "permits": 100, "no_opinions": 1000, "unavailable": 0}
    view.take(reply(counts=counts), None, 50.0)
    assert page(view)[1] == "per second  ..."
    view.take(reply(counts=counts | {"logins": 15, "permits": 300}), None, 52.0)
    assert page(view)[1] == "per second  logins 2.5  permits 100.0  none 0.0  unavailable 0.0"
    view.take(reply(counts=counts, started_at=stamp(NOW)), None, 54.0)
    assert page(view)[1] == "per second  ..."


def test_while_the_daemon_is_away_the_last_picture_stays_under_the_reason() -> None:
    view, row = View(), reply()
    row["grants"] = [grant(8)]
    view.take(None, "no daemon listens on /x", 0.0)
    assert page(view) == [" no daemon listens on /x; trying again each second "]
    view.take(row, None, 1.0)
    view.take(None, "no daemon listens on /x", 2.0)
    lines = page(view)
    assert lines[0] == " no daemon listens on /x; trying again each second "
    assert any("203.0.113.8/32" in line for line in lines)
    view.take(row, None, 3.0)
    assert "no daemon" not in "\n".join(page(view))


def test_a_reason_that_does_not_go_away_ends_it_at_the_start(tmp_path: Path) -> None:
    window = Window(tmp_path / "control.sock")
    assert window.look(1, 1) is None
    assert window.trouble == f"no daemon listens on {tmp_path}/control.sock"
    (tmp_path / "file").touch()
    with pytest.raises(PoplockError, match="cannot reach the daemon"):
        Window(tmp_path / "file" / "control.sock").look(1, 1)
