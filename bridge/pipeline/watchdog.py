"""Notices that work has stopped for no reason that would pass, and says where every task and thread stands."""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator


class Stall:
    """Nothing moves although something could: ``seconds`` without progress while busy. Pure."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: Hashable = None
        self._since: float | None = None

    def check(self, now: float, progress: Hashable, *, busy: bool) -> bool:
        """Whether it has stalled; ``busy`` is False when there is nothing to do or a good reason not to."""
        if not busy or progress != self._seen or self._since is None:
            self._seen, self._since = progress, now if busy else None
            return False
        return bool(self._seconds) and now - self._since >= self._seconds


@dataclass(frozen=True, slots=True)
class Vitals:
    """A worker as its watchdog sees it. ``held``: for a reason that passes, and that is told elsewhere."""

    lag: bool
    resolved: int
    committed: Hashable
    committable: bool
    joined: bool
    connected: bool
    held: bool


class Watchdog:
    """Says what has not moved for ``seconds`` although it could; 0 for never. Pure."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._work, self._commits, self._joins = Stall(seconds), Stall(seconds), Stall(seconds)

    def check(self, now: float, vitals: Vitals) -> list[str]:
        """Every reason to end the worker, none while all is well."""
        stalled = {
            "no event finished": self._work.check(now, vitals.resolved, busy=vitals.lag and not vitals.held),
            "no commit succeeded": self._commits.check(now, vitals.committed, busy=vitals.committable and vitals.lag),
            "not joined": self._joins.check(now, 0, busy=vitals.connected and not vitals.joined),
        }
        return [f"{what} for {self._seconds:g} s" for what, so in stalled.items() if so]


def stacks() -> Iterator[tuple[str, str]]:
    """Name and stack of each task of this loop and of each thread; source lines only, never values."""
    for task in asyncio.all_tasks():
        frames = [entry for frame in task.get_stack(limit=8) for entry in traceback.extract_stack(frame, limit=1)]
        yield f"task {task.get_name()}", _lines(frames)
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the documented way to see other threads
        yield f"thread {names.get(ident, ident)}", _lines(traceback.extract_stack(frame, limit=8))


def _lines(frames: list[traceback.FrameSummary] | traceback.StackSummary) -> str:
    return " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in reversed(frames))
