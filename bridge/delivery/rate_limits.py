"""The limits of requests and events a second: how long they ask to wait, and for how long each has held requests back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.delivery.pace_board import EVENTS_AT, REQUESTS_AT
from bridge.delivery.pacing import RateLimit
from bridge.delivery.shared_rate import SharedRate

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.delivery.pace_board import Account
    from bridge.telemetry.metrics import Metrics


class RateLimits:
    """Rates are by second, 0 for none; ``account`` and ``share`` as in :class:`bridge.delivery.flow_control.FlowControl`."""

    def __init__(
        self,
        requests_per_second: float,
        events_per_second: float,
        *,
        account: Account | None,
        share: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self._requests, self._events = (
            RateLimit(rate) if account is None else SharedRate(rate, account, place)
            for rate, place in ((requests_per_second, REQUESTS_AT), (events_per_second, EVENTS_AT))
        )
        self._share = share
        self._metrics = metrics
        self._biting: tuple[float, str] | None = None

    def _strictest(self, now: float) -> tuple[float, str]:
        """Seconds that the strictest limit asks for, and its name."""
        return max((self._requests.wait(now), "requests"), (self._events.wait(now), "events"))

    def bite(self, now: float) -> bool:
        """Whether a request would have to wait."""
        return self._strictest(now)[0] > 0

    def wait(self, now: float) -> float:
        """Seconds that a request which is there has to wait; the time for which it has is counted."""
        longest, name = self._strictest(now)
        if self._biting is not None:
            # The time that has passed belongs to the limit that began it: by now neither may be biting.
            since, by = self._biting
            self._metrics.rate_limited_seconds.labels(by).inc(max(0.0, now - since))
        self._biting = (now, name) if longest > 0 else None
        return longest

    def spend(self, events: int, now: float) -> None:
        """A request with ``events`` is sent."""
        share = self._share()
        self._requests.spend(1 / share, now)
        self._events.spend(events / share, now)
