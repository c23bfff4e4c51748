"""How many requests may be under way: additive increase, multiplicative decrease, from latency and refusals.

After Vector's adaptive request concurrency: the limit grows by one after a round of answers that were as quick as before
and that used the limit, and shrinks by a tenth when the other side refuses (429, 503) or answers distinctly slower. A round
ends with as many answers or refusals as the limit allows at once, or after a second: where everything is refused it must end too. Pure.
"""

from __future__ import annotations

from math import sqrt

_DECREASE = 0.9
_SMOOTHING = 0.4
_DEVIATIONS = 2.5
_LEAST_SLOWDOWN = 0.05
"""Seconds: jitter of a local network is no sign of load."""
_ROUND_SECONDS = 1.0


class AdaptiveLimit:
    """The number of requests that may be under way, between 1 and ``ceiling``."""

    def __init__(self, ceiling: int, start: int = 2) -> None:
        self._ceiling = ceiling
        self._limit = float(min(start, ceiling))
        self._mean: float | None = None
        self._variance = 0.0
        self._round: list[float] = []
        self._reached = False
        self._refused = False
        self._refusals = 0
        self._round_size = 0
        self._lowered_at = 0.0

    @property
    def limit(self) -> int:
        """Requests allowed at once currently."""
        return int(self._limit)

    def answered(self, seconds: float, under_way: int) -> None:
        """A request was answered after ``seconds``; ``under_way`` counts it too."""
        self._reached = self._reached or under_way >= self.limit
        self._round.append(seconds)
        if len(self._round) >= self.limit:
            self._end_round()

    def refused(self, now: float) -> None:
        """The other side asked for less; counted once a round, since one overload refuses many requests at once."""
        if not self._refused or now - self._lowered_at >= _ROUND_SECONDS:
            self._refused, self._refusals, self._lowered_at = True, 0, now
            self._round_size = self.limit
            self._limit = max(1.0, self._limit * _DECREASE)
        self._refusals += 1
        if self._refusals >= self._round_size:
            self._end_round()

    def _end_round(self) -> None:
        if self._round:
            self._weigh()
        self._round.clear()
        self._reached = self._refused = False

    def _weigh(self) -> None:
        mean = sum(self._round) / len(self._round)
        before = self._mean
        if not self._refused:
            slower = before is not None and mean > before + max(_LEAST_SLOWDOWN, _DEVIATIONS * sqrt(self._variance))
            if slower:
                self._limit = max(1.0, self._limit * _DECREASE)
            elif self._reached:
                self._limit = min(float(self._ceiling), self._limit + 1.0)
        if before is None:
            self._mean = mean
        else:
            gap = mean - before
            self._mean = before + _SMOOTHING * gap
            self._variance = (1 - _SMOOTHING) * (self._variance + _SMOOTHING * gap * gap)
