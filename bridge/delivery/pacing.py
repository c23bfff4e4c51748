"""When the next request may leave: rate limit and circuit. Pure; the caller brings the time in seconds."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.model.backoff import Backoff


class RateLimit:
    """At most ``rate`` units a second (0: no limit), with a quarter of a second's worth at once.

    The generic cell rate algorithm: one float of state, no timer. A single request may weigh more than the burst;
    it then borrows from the future and the next one waits longer.
    """

    def __init__(self, rate: float, burst_seconds: float = 0.25) -> None:
        self._rate = rate
        self._burst = burst_seconds
        self._free_at = 0.0

    def wait(self, now: float) -> float:
        """Seconds until a request may leave; 0 when it may now."""
        return max(0.0, self._free_at - self._burst - now) if self._rate else 0.0

    def spend(self, units: float, now: float) -> None:
        """A request of ``units`` is sent."""
        if self._rate:
            self._free_at = max(self._free_at, now) + units / self._rate


class Circuit:
    """Open after ``threshold`` failures in a row; then one probe at a time, further apart each time it fails.

    Used twice: for a destination that is away, and (threshold 1) for credentials that are refused.
    """

    def __init__(self, threshold: int, backoff: Backoff) -> None:
        self._threshold = threshold
        self._backoff = backoff
        self._failures = 0
        self._opened = 0
        self._probe_at = 0.0
        self._probing = False

    @property
    def open(self) -> bool:
        """Whether requests are being held back (also while a probe is out)."""
        return self._opened > 0

    @property
    def probing(self) -> bool:
        """Whether the outcome of a probe is awaited."""
        return self._probing

    def wait(self, now: float) -> float | None:
        """Seconds until a request may leave, 0 when it may now; None while the outcome of a probe is awaited."""
        if not self._opened:
            return 0.0
        if self._probing:
            return None
        return max(0.0, self._probe_at - now)

    def request_sent(self) -> None:
        """A request is sent: while open it is the probe."""
        self._probing = self._opened > 0

    def success(self) -> None:
        """A request showed that the other side works."""
        self._failures = self._opened = 0
        self._probing = False

    def failure(self, now: float, *, most: float = inf) -> None:
        """A request showed that it does not; the next probe leaves after ``most`` seconds at the latest."""
        self._failures += 1
        if self._opened and not self._probing:
            return  # left before the circuit opened: it tells nothing new
        if self._opened or self._failures >= self._threshold:
            self._opened += 1
            self._probing = False
            self._probe_at = now + min(most, self._backoff.delay(self._opened))

    def inconclusive(self, now: float) -> None:
        """The probe failed for another reason: ask again after the same time."""
        if self._opened and self._probing:
            self._probing = False
            self._probe_at = now + self._backoff.delay(self._opened)
