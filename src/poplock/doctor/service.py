"""The daemon, what it reads, and what it writes."""

import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from ..config.sources import FileSettings
from ..core.clock import SystemClock
from ..core.errors import MapError
from ..maps import make_lease
from .site import Finding, Site, bad, look, well

_SILENT = 86_400.0  # seconds without a login that are worth a word


def check_daemon(site: Site) -> Iterator[Finding]:
    """Does it run, and is it well?"""
    where, status = "daemon", site.status
    if status is None:
        yield bad(
            where,
            f"no daemon listens on {site.config.control.path}: no login is learnt, no MTA answered",
            "systemctl start poplock; journalctl -u poplock says why it ended",
        )
        return
    for trouble in cast(list[str], status["troubles"]):
        yield bad(where, trouble, "it is tried again by itself once the cause is gone")
    if not status["troubles"]:
        yield well(where, f"runs, pid {status['pid']}, {status['grants']} grants")
    counts = cast(dict[str, int], status["counts"])
    if site.config.answer and not counts["permits"] + counts["no_opinions"]:
        yield look(
            where,
            f"no MTA has asked since {status['started_at']}",
            "is the MTA told to ask? 'poplock setup NAME' prints its lines",
        )


def check_sources(site: Site) -> Iterator[Finding]:
    """Is each source there, readable, and does it tell of logins?"""
    if not site.config.source:
        yield bad(
            "source", "none is configured: no login can be learnt", "'poplock setup NAME' says how"
        )
    rows = cast(list[dict[str, Any]], (site.status or {}).get("sources", []))
    for row in rows:
        where = f"source {row['source']}"
        if row["trouble"]:
            continue  # said by the daemon
        if not row["caught_up"]:
            yield look(where, f"is {row['lag_bytes']} bytes behind", "it reads on; look again")
        elif row["last_login"] is None:
            yield look(
                where,
                f"has told of no login yet ({row['events']} events, {row['skipped']} skipped)",
                "log in once, and see what 'poplock parse FILE' makes of the log",
            )
        else:
            yield well(where, f"last login {row['last_login']}")
        if row["skipped"] > max(10, row["events"]):
            yield look(
                where,
                f"more lines could not be read ({row['skipped']}) than gave an event",
                "'poplock parse FILE' lists them by shape",
            )
    for settings in site.config.source:
        if isinstance(settings, FileSettings):
            yield from _log_file(site, settings)


def _log_file(site: Site, settings: FileSettings) -> Iterator[Finding]:
    where, path = f"source {settings.title}", site.path(settings.path)
    try:
        info = path.stat()
    except OSError as error:
        yield bad(where, f"{path}: {error.strerror}", "name the log that your server writes")
        return
    if info.st_mode & stat.S_IWOTH:
        yield bad(
            where,
            f"everybody may write {path}: any local user can forge a login",
            f"chmod o-w {path}",
        )
    if time.time() - info.st_mtime > _SILENT:
        yield look(where, f"nothing was written to {path} for a day", "does the server log there?")


def check_maps(site: Site) -> Iterator[Finding]:
    """Is each map there, fresh, and readable for the MTA?"""
    clock = SystemClock()
    for settings in site.config.map:
        where, path = f"map {settings.path}", Path(settings.path)
        if not site.path(settings.path).exists():
            yield bad(
                where,
                "it isn't there; some MTAs refuse all mail without it",
                "start the daemon once: it writes the map before it is ready",
            )
            continue
        try:
            holds = make_lease(settings, clock).holds()
        except MapError as error:
            yield look(where, str(error), "run the doctor as root")
            continue
        if holds is False:
            yield bad(
                where,
                "nobody renews it, and its lease has run out: its grants stand though they ended",
                "poplock maps sweep; and let poplock-sweep.timer (or cron) do it each minute",
            )
        elif site.status is None:
            yield well(where, "empty of grants" if holds is None else "still within its lease")
        elif holds is None:
            yield bad(where, "the daemon does not renew it", "is it run with this configuration?")
        else:
            yield well(where, "renewed")
        if not path.parent.stat().st_mode & stat.S_IXOTH:
            yield look(
                where,
                f"{path.parent} is closed to other users: can the MTA get there?",
                "chmod o+x, or a group that both are in",
            )
