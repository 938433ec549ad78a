"""What `poplock watch` draws: a page as wide and high as the terminal, nothing of it twice as long.

From above: how the daemon is and how often it is asked, its troubles, its sources; who may relay,
the latest login first, with what is left of it; what happened, the latest at the bottom. A narrow
terminal has fewer columns, a low one fewer rows. Names were written by strangers: `cell` makes them
harmless, and they are never markup.
"""

import time
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from rich.console import Group, JustifyMethod, RenderableType
from rich.progress_bar import ProgressBar
from rich.style import Style
from rich.styled import Styled
from rich.table import Table
from rich.text import Text

from .common import cell

Reply = dict[str, Any]

_RATES = {"logins": "logins", "permits": "permits", "no_opinions": "none", "unavailable": ""}
_MOST_TROUBLES = 3
_MOST_SOURCES = 8
_REMEMBERED = 1000  # deeds: more than a terminal has lines
_STYLES = {
    "ok": "green",
    "granted": "green",
    "used": "cyan",
    "revoked": "red",
    "released": "yellow",
    "expired": "bright_black",
}
_BAR = 12  # columns


class Column(NamedTuple):
    """How a column is set, and how wide a terminal must be to have it."""

    name: str
    ratio: int | None = None
    width: int | None = None
    justify: JustifyMethod = "left"
    least: int = 0


_GRANT = (
    Column("network", ratio=3),
    Column("user", ratio=4),
    Column("left", width=7, justify="right"),
    Column("", width=_BAR, least=60),
    Column("login", width=7, justify="right", least=70),
    Column("open", width=4, justify="right", least=80),
    Column("source", ratio=3, least=100),
)
_DEED = (
    Column("time", width=8),
    Column("event", width=8),
    Column("user", ratio=4),
    Column("network", ratio=3, least=45),
    Column("", ratio=4, least=80),
)


class View:
    """The last picture, and what happened since."""

    def __init__(self) -> None:
        self._reply: Reply | None = None
        self._trouble: str | None = None
        self._looked = 0.0
        self._rates: dict[str, float] = {}
        self._deeds: deque[Reply] = deque(maxlen=_REMEMBERED)

    def take(self, reply: Reply | None, trouble: str | None, now: float) -> None:
        """What a look showed, at a moment of a steady clock; or why it showed nothing."""
        self._trouble = trouble
        if reply is None:
            return
        counts = reply["status"]["counts"]
        before = self._reply and self._reply["status"]
        if before and before["started_at"] == reply["status"]["started_at"]:
            passed = max(now - self._looked, 1e-3)
            self._rates = {n: (counts[n] - before["counts"][n]) / passed for n in _RATES}
        else:
            self._rates = {}
        self._reply, self._looked = reply, now
        self._deeds.extend(reply["deeds"])

    def draw(self, width: int, height: int, now: float) -> RenderableType:
        """The page. `now` by the wall clock."""
        head: list[RenderableType] = []
        if self._trouble is not None:
            head.append(_line(f" {self._trouble}; trying again each second ", "bold white on red"))
        if self._reply is None:
            return Group(*head)
        status = self._reply["status"]
        picture: list[RenderableType] = [
            _title(status, now),
            _rates(self._rates),
            *([_shared(status)] if status["shared"] else []),
            *_few([_line(f"! {t}", "red") for t in status["troubles"]], _MOST_TROUBLES),
            *_few(
                [_source(row, now) for row in status["sources"]], min(_MOST_SOURCES, height // 5)
            ),
        ]
        deeds = [*self._deeds, *self._reply["uses"]]
        rest = height - len(head) - len(picture) - 2  # less the lines that name the columns
        below = min(len(deeds), max(rest // 3, rest - len(self._reply["grants"])))
        picture.append(_grants(self._reply["grants"], rest - below, width, now))
        picture.append(_events(deeds, below, width))
        return Group(*head, Styled(Group(*picture), "dim" if self._trouble else ""))


def _title(status: Reply, now: float) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"poplock {cell(status['version'])} ", "bold")
    line.append(cell(status["health"]), _STYLES.get(status["health"], "bold red"))
    line.append(f"  {status['grants']:,} grants  up {_span(now - _seconds(status['started_at']))}")
    line.append(time.strftime("  %H:%M:%S", time.localtime(now)), "bright_black")
    return line


def _rates(rates: dict[str, float]) -> Text:
    told = (f"{name or key} {rates[key]:.1f}" for key, name in _RATES.items() if key in rates)
    return _line("per second  " + ("  ".join(told) or "..."))


def _source(row: Reply, now: float) -> Text:
    state = "caught up" if row["caught_up"] else f"{row['lag_bytes']:,} bytes behind"
    login = row["last_login"]
    last = "no login yet" if login is None else f"last login {_span(now - _seconds(login))} ago"
    events = f"{row['events']:,} events"
    parts = (cell(row["source"]), state, events, last)
    return _line("  ".join(parts), "red" if row["trouble"] else "")


def _shared(status: Reply) -> Text:
    """Whose grants they are, where hosts share a store."""
    shared = status["shared"]
    away = [cell(name) for name, up in shared["masters"].items() if not up]
    parts = (
        f"shared as {cell(shared['host'])}",
        f"not linked to {', '.join(away)}" if away else "linked",
        f"{status['grants']:,} grants are of this host's sources",
        f"{shared['remembered']:,} of all hosts' are known here",
    )
    return _line("  ".join(parts), "red" if away else "")


def _few(lines: Sequence[Text], most: int) -> Sequence[Text]:
    """Not more than `most` lines, the last of them saying how many there are else."""
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], _line(f"... and {len(lines) - most + 1} more", "bright_black")]


def _grants(rows: Sequence[Reply], height: int, width: int, now: float) -> Table:
    """A table of so many rows, whether there are as many grants or not."""
    table = _table(_GRANT, width)
    for row in rows[: max(height, 0)]:
        login, end = _seconds(row["last_login"]), _seconds(row["expires_at"])
        left = max(end - now, 0)
        cells = (
            Text(cell(row["network"])),
            Text(cell(row["user"])),
            Text(_span(left)),
            _bar(left, end - login),
            Text(_span(now - login)),
            Text(str(row["sessions"] or "")),
            Text(cell(row["source"])),
        )
        table.add_row(*cells[: len(table.columns)])
    for _ in range(height - len(rows)):
        table.add_row()
    return table


def _bar(left: float, whole: float) -> ProgressBar:
    style = Style.parse("green" if left > whole / 4 else "yellow")
    return ProgressBar(
        total=max(whole, 1), completed=left, width=_BAR, complete_style=style, finished_style=style
    )


def _events(deeds: Sequence[Reply], height: int, width: int) -> Table:
    table = _table(_DEED, width)
    for deed in deeds[-height:] if height > 0 else ():
        event = cell(deed["event"])
        cells = (_clock(deed["at"]), event, cell(deed["user"]), cell(deed["network"]), _note(deed))
        table.add_row(*map(Text, cells[: len(table.columns)]), style=_STYLES.get(event, ""))
    return table


def _note(deed: Reply) -> str:
    if deed["event"] == "used":
        times = "once" if deed["count"] == 1 else f"{deed['count']:,} times"
        return f"{times} by {cell(deed['address'])}"
    if deed["event"] == "granted" and deed["until"] is not None:
        span = _seconds(deed["until"]) - _seconds(deed["at"])
        return f"for {_span(span)} by {cell(deed['source'])}"
    return f"by {cell(deed['source'])}"


def _table(columns: Iterable[Column], width: int) -> Table:
    table = Table(
        box=None, expand=True, pad_edge=False, padding=(0, 1), header_style="bold underline"
    )
    for column in columns:
        if width >= column.least:
            table.add_column(
                column.name,
                ratio=column.ratio,
                width=column.width,
                justify=column.justify,
                no_wrap=True,
            )
    return table


def _line(text: str, style: str = "") -> Text:
    return Text(cell(text), style, no_wrap=True, overflow="ellipsis")


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def _clock(stamp: str | None) -> str:
    """The local time; `now` for what goes on still and isn't in the history yet."""
    return "now" if stamp is None else time.strftime("%H:%M:%S", time.localtime(_seconds(stamp)))


def _span(seconds: float) -> str:
    """How long, in the unit that says it in two digits."""
    seconds = max(seconds, 0)
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
