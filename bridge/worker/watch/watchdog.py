"""Notices that work has stopped for no reason that would pass, and says where every task and thread stands."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
import threading
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator
    from types import FrameType

_OUTER, _INNER = 6, 8
"""Frames of one task that are told: those where our own code began it, and those where it waits, mostly in a library."""
_ENDLESS = 1_000


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
    """A worker as its watchdog sees it. ``held``: for a reason that passes, and that is told elsewhere.

    ``answers`` counts what the destination has answered: a worker whose requests are answered, however badly, works.
    ``silent``: seconds since the brokers answered last. ``lost``: where events are that nobody holds any more, "" where none are.
    """

    lag: bool
    resolved: int
    committed: Hashable
    committable: bool
    joined: bool
    connected: bool
    held: bool
    answers: int
    silent: float
    lost: str


class Watchdog:
    """Says what has not moved for ``seconds`` although it could; 0 for never. Pure."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._work, self._commits, self._joins = Stall(seconds), Stall(seconds), Stall(seconds)
        self._was_member = False

    def check(self, now: float, vitals: Vitals) -> list[str]:
        """Every reason to end the worker, none while all is well."""
        self._was_member = self._was_member or vitals.joined
        # A client whose brokers have renewed their certificates, or have all moved, may never find back by itself.
        mute = bool(self._seconds) and self._was_member and vitals.silent >= self._seconds
        stalled = {
            "no event finished": self._work.check(
                now, (vitals.resolved, vitals.answers), busy=vitals.lag and not vitals.held
            ),
            "no commit succeeded": self._commits.check(now, vitals.committed, busy=vitals.committable and vitals.lag),
            "not joined": self._joins.check(now, None, busy=vitals.connected and not vitals.joined),
            "no answer of the brokers": mute,
        }
        found = [f"{what} for {self._seconds:g} s" for what, so in stalled.items() if so]
        return [*found, vitals.lost] if vitals.lost else found


def stacks() -> Iterator[tuple[str, str]]:
    """Name and stack of each task of this loop and of each thread; source lines only, never values."""
    for task in asyncio.all_tasks():
        frames = _awaiting(task.get_coro())
        entries = [entry for frame in frames for entry in traceback.extract_stack(frame, limit=1)]
        if len(entries) > _OUTER + _INNER:
            told = _lines(entries[-_INNER:]), f"({len(entries) - _OUTER - _INNER} more)", _lines(entries[:_OUTER])
            yield f"task {task.get_name()}", " < ".join(told)
        else:
            yield f"task {task.get_name()}", _lines(entries)
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the documented way to see other threads
        yield f"thread {names.get(ident, ident)}", _lines(traceback.extract_stack(frame, limit=8))


def _awaiting(work: object) -> list[FrameType]:
    """Frames along what a coroutine awaits, the outermost first; a task's own stack holds but the first of a suspended one."""
    frames: list[FrameType] = []
    for _ in range(_ENDLESS):
        if work is None:
            break
        for frame_of, next_of in (("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await")):
            if hasattr(work, frame_of):
                frame = getattr(work, frame_of)
                if frame is not None:
                    frames.append(frame)
                work = getattr(work, next_of)
                break
        else:
            work = _inside(work)
    return frames


def _inside(wrapper: object) -> object:
    """What runs behind an awaited step of an asynchronous generator, or a coroutine's ``__await__``: it is no attribute there.

    Of a future it is the future's own iterator, which leads nowhere further.
    """
    for inner in gc.get_referents(wrapper):
        if inspect.iscoroutine(inner) or inspect.isasyncgen(inner):
            return inner
    return None


def _lines(frames: list[traceback.FrameSummary] | traceback.StackSummary) -> str:
    return " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in reversed(frames))
