"""The destination asks for less (429, or a 503 that says when): how long to pause, and since when nothing has been accepted. Pure.

A request that was under way when the pause began tells nothing new, so that one overload lengthens the pause once. A pause is
never shorter than the back-off, whatever the destination asks for: ``Retry-After: 0`` would be a loop without a pause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.model.backoff import Backoff

FIRST_PROBE, LONGEST_PROBE = 0.1, 2.0
"""Seconds at most, before jitter, between two requests while the destination has not said when: little at first, as a single
refusal is soon over, and never so much that its return is not seen within three seconds."""
LONGEST_PAUSE = 600.0
"""Seconds: a longer Retry-After is asked about again after this."""
ALARM_SECONDS = 60.0
"""Seconds without a single success after which throttling is reported: until then it is the ordinary course of a rate limit."""


class Throttle:
    """``until``: when the pause ends, ``since``: the first refusal after the last success (None: not throttled), ``status``: the last."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._refusals = 0
        self.until = 0.0
        self.since: float | None = None
        self.status = 0

    def refused(self, now: float, status: int, retry_after: float | None) -> None:
        """A request was refused; ``retry_after`` in seconds where the destination said so."""
        self.status = status
        if self.since is None:
            self.since = now
        if now >= self.until:
            self._refusals += 1
            self.until = now + self._backoff.delay(self._refusals)
        self.until = max(self.until, now + min(retry_after or 0.0, LONGEST_PAUSE))

    def accepted(self) -> None:
        """A request was accepted. A pause that was asked for is kept all the same."""
        self.since = None
        self._refusals = 0

    @property
    def active(self) -> bool:
        """Whether the last word on the pace was a refusal: then single requests ask."""
        return self.since is not None

    def alarming(self, now: float) -> bool:
        """Whether nothing has been accepted for longer than a rate limit explains."""
        return self.since is not None and now - self.since >= ALARM_SECONDS
