"""A route's schedule: due when cron says so, run in a process of its own, ended with the lead."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime

import pytest
import structlog

from bridge.model.errors import BridgeError, LeadLost
from bridge.routes.kinds import SOURCES
from bridge.routes.sync_task import SyncTask, next_run
from bridge.settings.deployment import resolve
from bridge.settings.tree import Given


def at(text: str) -> float:
    """Seconds since 1970."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def route_of(schedule: str | None = "0 * * * *"):
    """A route of a warehouse with this schedule."""
    keys = {"url": "sqlite:///a.db", "key": "id"} | ({"schedule": schedule} if schedule else {})
    return resolve(Given({}, {"crm": {"source": "warehouse", "warehouse": keys}}))[0]


class Leads:
    """A lead that lasts, or is over."""

    def __init__(self, over=False):
        self.over = over

    def check(self):
        """Raise where it is over."""
        if self.over:
            raise LeadLost("over")


def task(script: str) -> SyncTask:
    """A task whose run is this script; its arguments are those of the run."""
    return SyncTask(route_of(), (sys.executable, "-c", script))


DONE = 'import json; print(json.dumps({"end": "done", "read": 3, "sent": 2, "accepted": 1, "refused": {"code": 1}, "invalid": {}, "seconds": 1.0}))'


def test_next_run():
    """In UTC, strictly after."""
    assert next_run("0 3 * * *", at("2026-01-31T03:00:00")) == at("2026-02-01T03:00:00")
    assert next_run("*/15 * * * *", at("2026-01-31T23:59:59")) == at("2026-02-01T00:00:00")


def test_due():
    """After the last run by the expression; a first time is waited for, and what was missed is made up for at once."""
    made = task(DONE)
    assert made.due(None, at("2026-01-31T08:10:00")) == at("2026-01-31T09:00:00")
    assert made.due(None, at("2026-01-31T09:10:00")) == at("2026-01-31T09:00:00")
    assert made.due(at("2026-01-30T09:00:00"), at("2026-01-31T08:10:00")) == at("2026-01-30T10:00:00")


def test_off():
    """Without a schedule it says which setting is missing; each route of the kind has the task."""
    assert "SCHEDULE" in SyncTask(route_of(None)).off
    (made,) = SOURCES["warehouse"].leader_tasks(route_of())
    assert not made.off


async def test_run():
    """The command is started with the route and ends with its input; rows that were refused are no failure of the task."""
    asked = "import sys; assert sys.argv[1:] == ['sync', 'run', '--route', 'crm', '--json', '--while-input-is-open'], sys.argv; "
    await task(asked + DONE).run(Leads())


async def test_what_a_run_has_left_undone_is_told():
    """A mirror that tells nothing of rows that are gone, run after run, with nobody at the terminal."""
    with structlog.testing.capture_logs() as logs:
        await task(DONE.replace('"read": 3', '"read": 3, "held_back": 7, "unaccounted": 0')).run(Leads())
        await task(DONE).run(Leads())
    told = [one for one in logs if one["event"] == "sync_incomplete"]
    assert [(one["log_level"], one["held_back"], one["unaccounted"]) for one in told] == [("warning", 7, 0)]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("import sys; sys.exit('error: the database: no such table')", "sync run: the database: no such table"),
        ("import sys; sys.exit(3)", "ended with 3"),
        ("print('nonsense')", "ended with 0"),
        ('import json; print(json.dumps({"end": "stopped"}))', "ended with 0"),
    ],
)
async def test_failures(script, words):
    """What went wrong is told in its last words."""
    with pytest.raises(BridgeError, match=words):
        await task(script).run(Leads())


async def test_without_the_lead():
    """Nothing is started by who does not lead."""
    with pytest.raises(LeadLost):
        await task("raise SystemExit").run(Leads(over=True))


async def test_cancelled(tmp_path):
    """A run that is cancelled ends its process, which hears the end of its input and the signal."""
    mark = tmp_path / "mark"
    script = (
        "import pathlib, signal, sys, time; p = pathlib.Path(" + repr(str(mark)) + ");"
        "signal.signal(signal.SIGTERM, lambda *_: (p.write_text('ended'), sys.exit(0)));"
        "p.write_text('started'); time.sleep(60)"
    )
    running = asyncio.create_task(task(script).run(Leads()))
    while not mark.exists() or mark.read_text() != "started":  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert mark.read_text() == "ended"
