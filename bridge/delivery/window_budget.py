"""A budget of a number of units in any window of a minute, whenever the other side's windows begin. Pure; the caller brings the time.

The other side counts in fixed windows of an unknown phase, so no window of that length may hold more than the budget. Units leave
evenly (the generic cell rate algorithm): in any window at most what flows in it, what may leave at once, and one request more. The
rate is what is left of the budget for that, less some for requests that take longer to arrive than others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BURST: Final = 0.015
"""Of a window: what may leave at once after a time of nothing to send, so that a busy process loses none of its part."""
SLACK: Final = 0.015
"""Of a window: requests may need this much longer to arrive than others."""


@dataclass(frozen=True, slots=True)
class WindowBudget:
    """``units`` a window of ``seconds``; a request weighs at most ``largest`` of them. 0 units: no limit."""

    name: str
    units: float
    seconds: float = 60.0
    largest: float = 1.0

    @property
    def rate(self) -> float:
        """Units a second that leave at most, for all together."""
        # A request that is a large part of the budget would leave nothing: then windows may hold one too many.
        room = max(self.units - self.largest, self.units / 2)
        return room / (self.seconds * (1 + BURST + SLACK))

    @property
    def burst(self) -> float:
        """Seconds' worth of units that may leave at once."""
        return self.seconds * BURST

    def wait(self, free_at: float, now: float) -> float:
        """Seconds until a request may leave, 0 when it may now. ``free_at``: until when what has left keeps the pace busy."""
        return max(0.0, free_at - self.burst - now) if self.units else 0.0

    def free_at_after(self, free_at: float, units: float, share: float, now: float) -> float:
        """``free_at`` after ``units`` have left, at ``share`` (above 0, at most 1) of the rate."""
        if not self.units or not units:
            return free_at
        return max(free_at, now) + units / (self.rate * share)
