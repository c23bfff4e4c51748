"""Notices that work has stopped for no reason that would pass, and says where every task and thread stands."""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
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
