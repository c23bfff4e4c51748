"""What holds requests back, and what each outcome says of that: circuit, credentials, shared pause, rate limits, concurrency.

An outcome speaks of its own events (:mod:`bridge.pipeline.settlement`) and of the destination as a whole; here is the
second. Synchronous; the caller brings the time in seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from bridge.pipeline import suspicion
from bridge.pipeline.concurrency import AdaptiveLimit
from bridge.pipeline.pacing import Backoff, Circuit, RateLimit
from bridge.verdicts import AllAccepted, Answered, Misconfigured, Mismatched, Throttled, Transient, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from bridge.telemetry.metrics import Metrics
    from bridge.verdicts import Outcome

_log = structlog.get_logger(__name__)
_PROBE_SECONDS = 10.0
"""At most so long between probes: they cost a destination that is away little, and its return is soon seen."""
_LONGEST_PAUSE = 600.0
"""Seconds: a longer Retry-After is asked about again after this."""


class Brakes:
    """Says when the next request may leave.

    ``refusal`` says why credentials or set-up are refused, ``trouble`` why the circuit is open; "" when they are not.
    ``record`` counts how all requests fared. Rates are by second, 0 for none, for all workers together; ``share`` is this
    one's part of them just now.
    """

    def __init__(
        self,
        *,
        ceiling: int,
        requests_per_second: float,
        events_per_second: float,
        share: Callable[[], float],
        circuit_threshold: int,
        random: Random,
        metrics: Metrics,
    ) -> None:
        self.circuit = Circuit(circuit_threshold, Backoff(random, base=1.0, cap=_PROBE_SECONDS))
        self.credentials = Circuit(1, Backoff(random, base=1.0))
        self.record = suspicion.Record()
        self.refusal = ""
        self.trouble = ""
        self._limit = AdaptiveLimit(ceiling)
        self._backoff = Backoff(random)
        self._requests = RateLimit(requests_per_second)
        self._events = RateLimit(events_per_second)
        self._share = share
        self._limited: tuple[float, str] | None = None
        self._paused_until = 0.0
        self._throttles = 0
        self._metrics = metrics
        self.show()

    @property
    def blocked(self) -> bool:
        """Whether the destination is away or refuses our credentials."""
        return self.circuit.open or self.credentials.open

    def paused(self, now: float) -> bool:
        """Whether requests wait for a pause that the destination asked for, or for a rate limit: no fault, however long."""
        return now < self._paused_until or self._requests.wait(now) > 0 or self._events.wait(now) > 0

    @property
    def most(self) -> int:
        """Requests that may be under way at once just now."""
        return self._limit.limit

    def wait(self, now: float, *, waiting: bool) -> float | None:
        """Seconds until a request may leave, 0 when it may now; None while a probe is out. ``waiting``: there is one."""
        waits = [self._paused_until - now]
        for circuit in (self.circuit, self.credentials):
            wait = circuit.wait(now)
            if wait is None:
                return None
            waits.append(wait)
        if not waiting:
            return max(0.0, *waits)
        longest, name = max((self._requests.wait(now), "requests"), (self._events.wait(now), "events"))
        if self._limited is not None:
            # The time that has passed belongs to the limit that began it: by now neither may be biting.
            since, by = self._limited
            self._metrics.rate_limited_seconds.labels(by).inc(max(0.0, now - since))
        self._limited = (now, name) if longest > 0 else None
        return max(0.0, longest, *waits)

    def leave(self, events: int, now: float) -> None:
        """A request with so many events leaves; while something is blocked it is the probe."""
        share = self._share()
        self._requests.take(1 / share, now)
        self._events.take(events / share, now)
        self.circuit.leave()
        self.credentials.leave()

    def note(self, outcome: Outcome, now: float, *, seconds: float, under_way: int) -> None:
        """Take in what one request says of the destination as a whole; it took so many seconds, ``under_way`` counts it."""
        if isinstance(outcome, Answered) and all(isinstance(verdict, Transient) for verdict in outcome.verdicts):
            # An outage told event by event is one all the same: taken for an answer, it would make events guilty.
            outcome = Transient("nothing of it was taken")
        self._weigh(outcome, now, seconds=seconds, under_way=under_way)
        if not self.circuit.open:
            if self.trouble:
                _log.info("circuit closed: the destination works again")
            self.trouble = ""
        elif not self.trouble and isinstance(outcome, Transient | Mismatched):
            what = "is away" if isinstance(outcome, Transient) else "gives answers that cannot be read"
            self.trouble = f"the destination {what}, circuit open: {outcome.reason}"
            _log.error("circuit open: single requests probe the destination, nothing is dropped", why=self.trouble)

    def _weigh(self, outcome: Outcome, now: float, *, seconds: float, under_way: int) -> None:
        match outcome:
            case Unauthorized(reason) | Misconfigured(reason):
                self.circuit.success()
                self.credentials.failure(now)
                if self.refusal != reason:
                    self.refusal = reason
                    _log.error("delivery held: the destination refuses us, nothing is dropped", reason=reason)
                return
            case Transient():
                self._limit.refused()
                self.record.failures += 1
                self.circuit.failure(now)
                self.credentials.inconclusive(now)
                return
            case Mismatched():
                # It takes our credentials but speaks another language: if of every event, it is no event's fault.
                self.record.failures += 1
                self.circuit.failure(now)
                self._accept_credentials()
                return
            case Throttled(_, retry_after):
                self._limit.refused()
                self._throttles += 1
                pause = self._backoff.delay(self._throttles) if retry_after is None else retry_after
                self._paused_until = max(self._paused_until, now + min(pause, _LONGEST_PAUSE))
            case AllAccepted() | Answered():
                self._limit.answered(seconds, under_way)
                self.record.successes += 1
                self._throttles = 0
        self.circuit.success()
        self._accept_credentials()

    def _accept_credentials(self) -> None:
        self.credentials.success()
        if self.refusal:
            self.refusal = ""
            _log.info("delivery goes on: the destination takes our credentials again")

    def show(self) -> None:
        """Set the metrics."""
        self._metrics.delivery_concurrency.set(self._limit.limit)
        self._metrics.circuit_open.set(self.circuit.open)
        self._metrics.delivery_held.set(self.credentials.open)
