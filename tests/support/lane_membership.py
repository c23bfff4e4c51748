"""Which lane each test belongs to (``lanes.py`` runs them): a plugin of pytest, which also writes down how many had which outcome.

What has the marker ``serial`` runs alone. What has ``kafka``, ``slow`` or ``clock``, lies in a folder of processes, or is a coroutine,
which lives on the machine's clock, waits. All else computes: it may stand still at any moment, and so speaks to nobody.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

COUNTS = "TEST_LANE_COUNTS"
"""Variable with the file into which a lane writes its counts."""
LANE = "TEST_LANE"
"""Variable with the name of the lane; empty for all tests."""
OUTCOMES = ("passed", "failed", "skipped", "error", "xfailed", "xpassed")
_WAITING_FOLDERS = frozenset({"system", "chaos"})
_COMPUTING_FOLDERS = frozenset({"simulation"})
"""Slow, and yet it never waits: time is virtual there."""
_WAITING_MARKERS = ("kafka", "slow", "clock")
_COROUTINE = re.compile(r"^ *async def test", re.MULTILINE)
_SLOW_SECONDS = 10.0
_HANGS = 10
"""So many times the seconds that a test is said to take mean that it hangs; less may be a busy machine."""
_speaking: list[str] = []
"""What the test under way has done that needs an answer in time."""


def _waits(path: Path, told: bool) -> bool:
    folders = set(path.parts)
    return bool(_WAITING_FOLDERS & folders) or (told and not _COMPUTING_FOLDERS & folders)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """A lane does not read files in which it has no tests."""
    lane = os.environ.get(LANE)
    if not lane or not collection_path.name.startswith("test_") or collection_path.suffix != ".py":
        return None
    text = collection_path.read_text(encoding="utf-8", errors="replace")
    if lane == "serial":
        return None if "mark.serial" in text else True
    if lane == "waiting":
        told = any(f"mark.{name}" in text for name in _WAITING_MARKERS) or bool(_COROUTINE.search(text))
        return None if _waits(collection_path, told) else True
    return True if _WAITING_FOLDERS & set(collection_path.parts) else None


def _seconds(item: pytest.Item) -> float:
    """What its marker says: ``slow`` more than ten, ``slow(60)`` about a minute; a few where processes are started."""
    marker = item.get_closest_marker("slow")
    if marker is None:
        processes = item.get_closest_marker("kafka") or _WAITING_FOLDERS & set(item.path.parts)
        return _SLOW_SECONDS / 2 if processes else 0.0
    return float(marker.args[0]) if marker.args else _SLOW_SECONDS


def _turn(item: pytest.Item) -> tuple[float, bool]:
    return -_seconds(item), item.get_closest_marker("prepared") is not None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each test in one lane; the slowest first, so that none is begun when all others are done."""
    lane = os.environ.get(LANE)
    if not lane or lane == "serial":
        return

    def waits(item: pytest.Item) -> bool:
        told = any(item.get_closest_marker(name) for name in _WAITING_MARKERS)
        return _waits(item.path, told or inspect.iscoroutinefunction(getattr(item, "function", None)))

    others = [item for item in items if waits(item) != (lane == "waiting")]
    config.hook.pytest_deselected(items=others)
    left = set(others)
    items[:] = sorted((item for item in items if item not in left), key=_turn)
    if lane == "waiting" and config.pluginmanager.hasplugin("timeout") and config.getoption("timeout") is None:
        for item in items:
            give_time(item, float(config.getini("timeout") or 0.0))


def give_time(item: pytest.Item, usual: float) -> None:
    """More than the ``usual`` seconds for what says that it takes long."""
    wanted = _HANGS * _seconds(item)
    if wanted > usual > 0 and item.get_closest_marker("timeout") is None:
        item.add_marker(pytest.mark.timeout(wanted))


def _note_speaking(event: str, arguments: tuple[Any, ...]) -> None:
    """A connection of this process, except by a file."""
    if event in {"socket.bind", "socket.connect"} and not isinstance(arguments[1], str | bytes):
        _speaking.append(event)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A computing test that opens a connection fails: beside those that wait it would miss deadlines, now and then."""
    _speaking.clear()
    found = yield
    if os.environ.get(LANE) == "computing" and _speaking:
        pytest.fail(
            f"{item.name} opens connections ({', '.join(sorted(set(_speaking)))}), and what computes may stand still"
            " for seconds: mark it with pytest.mark.clock",
            pytrace=False,
        )
    return found


def pytest_configure() -> None:
    """Hear of connections where they matter."""
    if os.environ.get(LANE) == "computing":
        sys.addaudithook(_note_speaking)


def pytest_sessionstart(session: pytest.Session) -> None:
    """In place of a line for each lane there is one for all."""
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if COUNTS in os.environ and reporter is not None:
        reporter.summary_stats = lambda: None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Write down how many tests had which outcome; a test counts once, as pytest's own line counts it.

    Errors by name: a file that cannot be collected is an error in every process of several lanes.
    """
    if (to := os.environ.get(COUNTS)) is not None:
        stats = terminalreporter.stats
        counts = {
            outcome: sum(getattr(each, "count_towards_summary", True) for each in stats.get(outcome, ()))
            for outcome in OUTCOMES
            if outcome != "error"
        }
        errors = [f"{each.nodeid} {getattr(each, 'when', '')}" for each in stats.get("error", ())]
        Path(to).write_text(json.dumps({"counts": counts, "errors": errors}), encoding="utf-8")
