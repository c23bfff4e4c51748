"""What holds requests back, and what each outcome says of that: circuit, credentials, shared pause, rate limits, concurrency.

An outcome speaks of its own events (:mod:`bridge.delivery.settlement`) and of the destination as a whole; here is the
second. Synchronous; the caller brings the time in seconds.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from bridge.delivery import blame
from bridge.delivery.answers import word_of
from bridge.delivery.concurrency import AdaptiveLimit
from bridge.delivery.pacing import Circuit
from bridge.delivery.rate_limits import RateLimits
from bridge.delivery.standing import LongThrottling, Standing
from bridge.delivery.throttle import ALARM_SECONDS, FIRST_PROBE, LONGEST_PROBE, Throttle
from bridge.model.backoff import Backoff
from bridge.model.verdicts import (
    AllAccepted,
    Answered,
    Misconfigured,
    Mismatched,
    Throttled,
    TooLarge,
    Transient,
    Unauthorized,
    Unexplained,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from bridge.delivery.pace import Pace
    from bridge.delivery.pace_board import Account
    from bridge.model.delivery_policy import Budget
    from bridge.model.verdicts import Outcome
    from bridge.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)
_PROBE_SECONDS = 10.0
"""Most seconds between probes: they cost a destination that is away little, and its return is soon seen."""
_TOKEN_SECONDS = 2.0
"""Most seconds between looks for a token where none is to be had: they cost nothing, as whoever gives tokens has its own pauses."""
_UNAVAILABLE = 503
"""Whatever its headers say, a destination that answers so is away: the circuit counts it as a failure."""


class FlowControl:
    """Says when the next request may leave.

    ``trouble`` says why the circuit is open; "" when it is not.
    ``record`` counts requests that were taken. Rates are by second, 0 for none, for all workers together; ``share`` is this
    one's part of them currently, or where they lie on an ``account`` that others use as well the part of all of them.
    ``budgets`` are limits in units of the destination's own, which ``pace`` keeps. ``wall`` gives seconds since 1970, for the
    words that a person reads.
    """

    def __init__(
        self,
        *,
        ceiling: int,
        requests_per_second: float,
        events_per_second: float,
        budgets: Sequence[Budget] = (),
        pace: Pace | None = None,
        account: Account | None = None,
        share: Callable[[], float],
        circuit_threshold: int,
        random: Random,
        metrics: Metrics,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.circuit = Circuit(circuit_threshold, Backoff(random, base=1.0, cap=_PROBE_SECONDS))
        self.credentials = Circuit(1, Backoff(random, base=1.0))
        self.record = blame.RequestTally()
        self._refused: Unauthorized | Misconfigured | None = None
        self.trouble = ""
        self._limit = AdaptiveLimit(ceiling)
        self.throttle = Throttle(Backoff(random, base=FIRST_PROBE, cap=LONGEST_PROBE))
        self.standing = Standing()
        self._throttling = LongThrottling(metrics)
        self._wall = wall
        self._rates = RateLimits(requests_per_second, events_per_second, account=account, share=share, metrics=metrics)
        self._weighs = [each.weigh for each in budgets]
        self._pace = pace
        self._held: tuple[float, float, str] | None = None
        self._held_by_others: float | None = None
        """Since when requests wait for a pause that another process of the account was asked for."""
        self._metrics = metrics
        self.show()

    @property
    def refusal(self) -> str:
        """Why credentials or set-up are refused, or no token is to be had; "" when neither is so."""
        return "" if self._refused is None else self._refused.reason

    @property
    def misconfigured(self) -> bool:
        """Whether the set-up is refused."""
        return isinstance(self._refused, Misconfigured)

    @property
    def blocked(self) -> bool:
        """Whether the destination is away or refuses our credentials."""
        return self.circuit.open or self.credentials.open

    def paused(self, now: float) -> bool:
        """Whether requests wait for a pause that the destination asked for, or for a rate limit: no fault, however long."""
        return now < self._paused_until() or self._rates.bite(now) or self._held is not None

    @property
    def most(self) -> int:
        """Requests that may be under way at once currently; while the destination throttles, a single one asks."""
        return 1 if self.throttle.active else self._limit.limit

    def _paused_until(self) -> float:
        """When the pause ends that this process, or another of the same account, was asked for."""
        until = self.throttle.until
        return until if self._pace is None else max(until, self._pace.paused_until())

    def enter(self, items: Sequence[bytes], now: float) -> float:
        """Let a request with these items leave where the budgets allow it: 0; else the seconds that it has to wait."""
        if self._pace is None:
            return 0.0
        weights = [1 if weigh is None else sum(map(weigh, items)) for weigh in self._weighs]
        seconds, name = self._pace.reserve(weights, now)
        if self._held is not None:
            # The time that has passed belongs to the budget that began it.
            since, _, by = self._held
            self._metrics.rate_limited_seconds.labels(by).inc(max(0.0, now - since))
        self._held = (now, now + seconds, name) if seconds > 0 else None
        return seconds

    def throttled(self, now: float) -> str:
        """Why nothing has been taken for long although the destination answers; "" while that is not so."""
        throttle, others = self.throttle, self._held_by_others
        if throttle.since is not None and throttle.alarming(now):
            begun, why = throttle.since, f"the destination answers {throttle.status}"
        elif others is not None and now - others >= ALARM_SECONDS:
            begun, why = others, "the destination has asked another process of the same account to wait"
        else:
            return ""
        since = datetime.fromtimestamp(self._wall() - (now - begun), UTC)
        return f"throttled since {since:%Y-%m-%d %H:%M:%S} UTC ({why}), {self.next_try(now)}"

    def next_try(self, now: float) -> str:
        """When the next request may leave, in words."""
        wait = self.wait(now, waiting=False)
        return (
            "an attempt is under way" if wait is None else "next try now" if wait <= 0 else f"next try in {wait:.0f} s"
        )

    def tick(self, now: float) -> None:
        """Tell what has begun without an event: call it every second or so."""
        self.standing.tell(now)
        if self._pace is not None:
            self._pace.tick(now)
            if now >= self._pace.paused_until():
                self._held_by_others = None
            if self._held is not None and now > self._held[1] + 1.0:
                self._held = None  # nothing has asked since: what waited is gone
        self._throttling.goes_on(self.throttled(now))

    def wait(self, now: float, *, waiting: bool) -> float | None:
        """Seconds until a request may leave, 0 when it may now; None while a probe is out. ``waiting``: there is one."""
        waits = [self._paused_until() - now]
        for circuit in (self.circuit, self.credentials):
            wait = circuit.wait(now)
            if wait is None:
                return None
            waits.append(wait)
        if not waiting:
            return max(0.0, *waits)
        if (
            self._held_by_others is None
            and self._pace is not None
            and self._pace.paused_until() > max(now, self.throttle.until)
        ):
            self._held_by_others = now
        return max(0.0, self._rates.wait(now), *waits)

    def request_sent(self, events: int, now: float) -> None:
        """A request with ``events`` is sent; while something is blocked it is the probe."""
        self._rates.spend(events, now)
        self.circuit.request_sent()
        self.credentials.request_sent()

    def note(self, outcome: Outcome, now: float, *, seconds: float, under_way: int, known: bool = False) -> None:
        """Take in what one request says of the destination as a whole; it took ``seconds``, ``under_way`` counts it.

        ``known``: its events have been refused again and again while others were accepted. Refused once more they say nothing of
        the destination, unless the request was the probe of an open circuit.
        """
        if isinstance(outcome, Answered) and all(isinstance(verdict, Transient) for verdict in outcome.verdicts):
            # An outage told event by event is one all the same: taken for an answer, it would make events guilty. What follows
            # the status may quote the event.
            said = next((v.reason for v in outcome.verdicts if isinstance(v, Transient)), "nothing was taken")
            outcome = Transient(said.partition(": ")[0])
        if known and not self.blocked and isinstance(outcome, Transient | Mismatched):
            return
        self._weigh(outcome, now, seconds=seconds, under_way=under_way)
        self._stand(outcome, now)
        if not self.circuit.open:
            if self.trouble:
                _log.info("circuit_closed", detail="The destination answers again.")
            self.trouble = ""
        elif not self.trouble and isinstance(outcome, Transient | Mismatched | Throttled):
            what = "gives answers that cannot be read" if isinstance(outcome, Mismatched) else "is away"
            self.trouble = f"the destination {what}, circuit open: {word_of(outcome)}"
            _log.error(
                "circuit_opened", detail="Single requests probe the destination; nothing is dropped.", why=self.trouble
            )

    def _stand(self, outcome: Outcome, now: float) -> None:
        if word := word_of(outcome):
            self.standing.failed(now, word)
            return
        self.standing.took(now)
        self._held_by_others = None
        self._throttling.over()

    def _weigh(self, outcome: Outcome, now: float, *, seconds: float, under_way: int) -> None:
        if isinstance(outcome, Unauthorized) and not outcome.sent:
            self.circuit.inconclusive(now)
            self.credentials.failure(now, most=_TOKEN_SECONDS)
            self._hold(outcome, "There is no token to be had; nothing is dropped.")
            return
        if isinstance(self._refused, Unauthorized) and not self._refused.sent and self.credentials.probing:
            # The probe was sent, whatever came of it. How long there was no token is no reason to wait for the destination.
            self._accept_credentials()
        match outcome:
            case Unauthorized() | Misconfigured():
                self.circuit.success()
                self.credentials.failure(now)
                self._hold(outcome, "The destination refuses our credentials or set-up; nothing is dropped.")
                return
            case Transient():
                self._limit.refused(now)
                self.circuit.failure(now)
                self.credentials.inconclusive(now)
                return
            case Mismatched():
                # It takes our credentials but speaks another language: if of every event, it is no event's fault.
                self.circuit.failure(now)
                self._accept_credentials()
                return
            case Throttled(status, retry_after):
                self._limit.refused(now)
                self.throttle.refused(now, status, retry_after)
                if status == _UNAVAILABLE:
                    self.circuit.failure(now)
                    self.credentials.inconclusive(now)
                    return
                if self._pace is not None:
                    self._pace.pause(self.throttle.until)
            case AllAccepted() | Answered():
                self._limit.answered(seconds, under_way)
                self.record.successes += 1
                self.throttle.accepted()
            case TooLarge() | Unexplained():
                self.throttle.accepted()
        self.circuit.success()
        self._accept_credentials()

    def _hold(self, refused: Unauthorized | Misconfigured, detail: str) -> None:
        before, self._refused = self.refusal, refused
        if before != refused.reason:
            _log.error("delivery_held", detail=detail, reason=refused.reason)

    def _accept_credentials(self) -> None:
        self.credentials.success()
        if self._refused is not None:
            self._refused = None
            _log.info(
                "delivery_resumed",
                detail="Delivery is no longer held: there is a token, or the destination accepts the credentials again.",
            )

    def show(self) -> None:
        """Set the metrics."""
        self._metrics.delivery_concurrency.set(self._limit.limit)
        self._metrics.circuit_open.set(self.circuit.open)
        self._metrics.delivery_held.set(self.credentials.open)
