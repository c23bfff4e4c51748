"""How long a process may take to end: one budget, and one deadline that is passed down so that each step takes what is left.

The steps of a worker's end, each within the one before it::

    drain (a setting)          what is under way is finished; its last part belongs to the commit
    + leave                    the group is left and connections are closed
    + grace                    then the process cuts itself off
    drain + killed_after       then its parent kills it
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable

CLOSE_CLIENT_SECONDS: Final = 3.0
"""For a client of Kafka to leave the group and close its connections; less than ``LEAVE_SECONDS``, in which it happens."""
LEAVE_SECONDS: Final = 5.0
"""After the drain, for closing connections."""
_GRACE_SECONDS: Final = 2.0
_KILLED_AFTER: Final = 10.0
"""Seconds beyond the drain after which a parent kills a process: later than the process cuts itself off."""
_COMMIT_SECONDS: Final = 2.0
_COMMIT_SHARE: Final = 0.25


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on ``clock`` (seconds, never back)."""

    clock: Callable[[], float]
    at: float

    @classmethod
    def after(cls, clock: Callable[[], float], seconds: float) -> Self:
        """In ``seconds`` from now."""
        return cls(clock, clock() + seconds)

    @property
    def left(self) -> float:
        """Seconds until it; 0 once it has passed."""
        return max(0.0, self.at - self.clock())

    def earlier(self, seconds: float) -> Deadline:
        """The deadline for what comes before a step that needs ``seconds``."""
        return Deadline(self.clock, self.at - seconds)

    def timeout(self, *, least: float = 0.0, most: float = float("inf")) -> asyncio.Timeout:
        """A timeout of what is left, at least ``least`` and at most ``most`` seconds."""
        return asyncio.timeout(min(max(least, self.left), most))


@dataclass(frozen=True, slots=True)
class StopBudget:
    """What a worker's end may take; ``drain`` in seconds is the setting ``worker.drain_seconds``, or a part of it."""

    drain: float

    @property
    def commit(self) -> float:
        """Seconds of the drain that belong to the commit and to leaving the group."""
        return min(_COMMIT_SECONDS, self.drain * _COMMIT_SHARE)

    @property
    def cut_off(self) -> float:
        """Seconds after which a process that hangs ends itself."""
        return self.drain + LEAVE_SECONDS + _GRACE_SECONDS

    @property
    def killed(self) -> float:
        """Seconds after which a parent kills a process that still runs."""
        return self.drain + _KILLED_AFTER

    def deadline(self, clock: Callable[[], float]) -> Deadline:
        """The end of the drain, if it begins now."""
        return Deadline.after(clock, self.drain)
