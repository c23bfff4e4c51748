"""Sends batches to the destination and sees each event through to a verdict.

One dispatcher starts a request when the adaptive limit, the circuit, the credentials, the shared pause and the rate limits
all allow one; each request is one task. What becomes of its answer is decided by the outcome's type and nothing else.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import structlog

from bridge.pipeline import suspicion
from bridge.pipeline.batching import Batcher, Limits, choose, halves, without
from bridge.pipeline.concurrency import AdaptiveLimit
from bridge.pipeline.pacing import Backoff, Circuit, RateLimit
from bridge.pipeline.waiting import ByLane, Shipment, Unordered, Waiting
from bridge.verdicts import (
    Accepted,
    AllAccepted,
    Answered,
    Destination,
    Misconfigured,
    Mismatched,
    Outcome,
    Rejected,
    Stage,
    Throttled,
    TooLarge,
    Transient,
    Unauthorized,
    Unexplained,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.telemetry.metrics import Metrics

Owner = TypeVar("Owner")
Owner_contra = TypeVar("Owner_contra", contravariant=True)
_log = structlog.get_logger(__name__)
_PROBE_SECONDS = 10.0
"""At most so long between probes: they cost a destination that is away little, and its return is soon seen."""
_LONGEST_PAUSE = 600.0
"""Seconds: a longer Retry-After is asked about again after this."""


class Resolutions(Protocol[Owner_contra]):
    """Who is told what became of events."""

    def accepted(self, owner: Owner_contra, events: int) -> None:
        """So many events of the owner are delivered."""
        ...

    def rejected(self, owner: Owner_contra, event: int, rejected: Rejected, attempts: int) -> None:
        """This event is refused for good."""
        ...

    def gone(self, owner: Owner_contra) -> bool:
        """Whether the owner's events are no longer ours to deliver."""
        ...


@dataclass(frozen=True, slots=True)
class Policy:
    """How delivery goes about it; rates by second for this worker alone, 0 for none."""

    linger: float = 0.5
    batch_bytes: int = 1_000_000
    batch_events: int = 10_000
    ceiling: int = 16
    requests_per_second: float = 0.0
    events_per_second: float = 0.0
    by_key: bool = False
    circuit_threshold: int = 5


class Delivery(Generic[Owner]):
    """Events in, verdicts out. Retries without an end: what cannot be delivered now waits, and its owner with it."""

    def __init__(
        self,
        destination: Destination,
        resolutions: Resolutions[Owner],
        policy: Policy,
        metrics: Metrics,
        *,
        clock: Callable[[], float],
        random: Random | None = None,
        on_failure: Callable[[BaseException], None] | None = None,
    ) -> None:
        random = random or Random()  # noqa: S311 - jitter
        self._destination = destination
        self._resolutions = resolutions
        self._metrics = metrics
        self._clock = clock
        self._on_failure = on_failure
        self._limits = Limits(
            max_bytes=min(policy.batch_bytes, destination.max_request_bytes),
            max_events=min(policy.batch_events, destination.max_request_events),
            frame=destination.frame_bytes,
            separator=destination.separator_bytes,
            linger=policy.linger,
        )
        # Twice as many lanes as requests: a lane that waits out a back-off leaves work for the others.
        self.lanes = policy.ceiling * 2 if policy.by_key else 0
        self._batcher: Batcher[Owner] = Batcher(self._limits, self.lanes or 1)
        self._waiting: Waiting[Owner] = ByLane(self._batcher) if policy.by_key else Unordered(self._batcher)
        self._backoff = Backoff(random)
        self.circuit = Circuit(policy.circuit_threshold, Backoff(random, base=1.0, cap=_PROBE_SECONDS))
        self.credentials = Circuit(1, Backoff(random, base=1.0))
        self.refusal = ""
        self._limit = AdaptiveLimit(policy.ceiling)
        self._rates = (
            ("requests", RateLimit(policy.requests_per_second)),
            ("events", RateLimit(policy.events_per_second)),
        )
        self._limited: tuple[float, str] | None = None
        self._paused_until = 0.0
        self._throttles = 0
        self._record = suspicion.Record()
        self._probe_fresh = False
        self._under_way: set[asyncio.Task[None]] = set()
        self._carried = 0
        self._wake = asyncio.Event()
        self._draining = False
        self._dispatcher: asyncio.Task[None] | None = None
        metrics.delivery_concurrency.set(self._limit.limit)

    @property
    def blocked(self) -> bool:
        """Whether the destination is away or refuses our credentials."""
        return self.circuit.open or self.credentials.open

    @property
    def paused(self) -> bool:
        """Whether the destination has asked for a pause that is not over."""
        return self._clock() < self._paused_until

    @property
    def events(self) -> int:
        """Events that wait or are under way."""
        return len(self._waiting) + self._carried

    def offer(self, owner: Owner, items: Sequence[bytes], lanes: Sequence[int] | None = None) -> None:
        """Take an owner's encoded events; ``lanes`` where order by key is asked for."""
        if lanes is None:
            self._batcher.add(owner, items, self._clock())
        else:
            self._batcher.add_by_lane(owner, items, lanes, self._clock())
        self._wake.set()

    def start(self) -> None:
        """Begin to deliver."""
        self._dispatcher = asyncio.create_task(self._dispatch(), name="delivery")
        self._dispatcher.add_done_callback(self._landed)

    def flush(self) -> None:
        """Send what waits without lingering, until :meth:`linger`."""
        self._draining = True
        self._wake.set()

    def linger(self) -> None:
        """Let requests fill again."""
        self._draining = False

    async def stop(self) -> None:
        """Stop at once; what is under way is abandoned, unacknowledged."""
        tasks = [*self._under_way, *([self._dispatcher] if self._dispatcher else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _dispatch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            wait = self._launch()
            timer = None if wait is None else loop.call_later(max(wait, 0.001), self._wake.set)
            await self._wake.wait()
            if timer is not None:
                timer.cancel()

    def _launch(self) -> float | None:
        """Start every request that may start now; seconds until the next may, None when an event will tell."""
        while len(self._under_way) < self._limit.limit:
            now = self._clock()
            wait = self._closed_for(now)
            if wait is None or wait > 0:
                return wait
            fresh = False
            if self.blocked:
                # A probe: in turn something that failed and something new, so that one bad request cannot pass for an outage.
                fresh = self._probe_fresh = not self._probe_fresh
            shipment = self._waiting.next(now, force=self._draining, fresh=fresh)
            if shipment is None:
                return self._waiting.due(now)
            alive = without(shipment.batch, self._resolutions.gone, self._limits)
            if alive is None:
                self._waiting.landed(shipment)
                continue
            shipment.batch = alive
            self._leave(shipment, now)
        return None

    def _closed_for(self, now: float) -> float | None:
        waits = [self._paused_until - now]
        for circuit in (self.circuit, self.credentials):
            wait = circuit.wait(now)
            if wait is None:
                return None
            waits.append(wait)
        if not len(self._waiting):
            return max(0.0, *waits)
        longest, name = max((rate.wait(now), name) for name, rate in self._rates)
        if self._limited is not None:
            # The time that has passed belongs to the limit that began it: by now neither may be biting.
            since, by = self._limited
            self._metrics.rate_limited_seconds.labels(by).inc(max(0.0, now - since))
        self._limited = (now, name) if longest > 0 else None
        return max(0.0, longest, *waits)

    def _leave(self, shipment: Shipment[Owner], now: float) -> None:
        events = len(shipment.batch.items)
        self._rates[0][1].take(1, now)
        self._rates[1][1].take(events, now)
        self.circuit.leave()
        self.credentials.leave()
        self._carried += events
        task = asyncio.create_task(self._carry(shipment))
        self._under_way.add(task)
        task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None and self._on_failure is not None:
            self._on_failure(error)

    async def _carry(self, shipment: Shipment[Owner]) -> None:
        metrics, batch = self._metrics, shipment.batch
        metrics.delivery_in_flight.inc()
        began = self._clock()
        try:
            outcome = await self._destination.send(batch.items)
        except Exception as error:  # noqa: BLE001 - a destination that breaks its word must not take the worker along
            outcome = Transient(f"unexpected_{type(error).__name__}")
        finally:
            metrics.delivery_in_flight.dec()
            self._carried -= len(batch.items)
        seconds = self._clock() - began
        again = self._settle(shipment, outcome, seconds)
        self._waiting.landed(shipment)
        self._waiting.put_back(again)
        metrics.delivery_concurrency.set(self._limit.limit)
        metrics.circuit_open.set(self.circuit.open)
        metrics.delivery_held.set(self.credentials.open)

    def _settle(self, shipment: Shipment[Owner], outcome: Outcome, seconds: float) -> list[Shipment[Owner]]:
        """Act on one outcome; what must be sent again, in order."""
        now, batch = self._clock(), shipment.batch
        self._note_state(outcome, now)
        match outcome:
            case AllAccepted():
                self._limit.answered(seconds, len(self._under_way))
                self._metrics.delivered_events.inc(len(batch.items))
                for run in batch.runs:
                    self._resolutions.accepted(run.owner, run.count)
                return []
            case Answered(verdicts) if len(verdicts) == len(batch.items):
                self._limit.answered(seconds, len(self._under_way))
                return self._judge(shipment, outcome, now)
            case Throttled(_, retry_after):
                self._limit.refused()
                self._metrics.retries.labels("throttled").inc()
                self._throttles += 1
                pause = self._backoff.delay(self._throttles) if retry_after is None else retry_after
                self._paused_until = max(self._paused_until, now + min(pause, _LONGEST_PAUSE))
                return [shipment]
            case Unauthorized(reason) | Misconfigured(reason):
                self._metrics.retries.labels("held").inc()
                if self.refusal != reason:
                    self.refusal = reason
                    _log.error("delivery held: the destination refuses us, nothing is dropped", reason=reason)
                return [shipment]
            case TooLarge():
                return self._split(
                    shipment, now, Rejected(Stage.DELIVER, "too_large", "alone over the destination's size")
                )
            case Unexplained(code, reason):
                return self._split(shipment, now, Rejected(Stage.DELIVER, code, reason))
            case Transient(reason, suspect):
                self._limit.refused()
                self._metrics.retries.labels("suspect" if suspect else "transient").inc()
                return self._again(shipment, now, suspect=suspect, code="refused_repeatedly", reason=reason)
            case Mismatched() | Answered():
                self._metrics.retries.labels("mismatched").inc()
                shipment.mismatches += 1
                if shipment.mismatches > 1 and len(batch.items) > 1:
                    return self._split(shipment, now, None)
                reason = "the destination's answer does not fit the event"
                return self._again(shipment, now, suspect=True, code="answer_mismatched", reason=reason)

    def _note_state(self, outcome: Outcome, now: float) -> None:
        """What the outcome says of the destination as a whole."""
        record = self._record
        if isinstance(outcome, Answered) and all(isinstance(verdict, Transient) for verdict in outcome.verdicts):
            # An outage told event by event is one all the same: taken for an answer, it would make events guilty.
            outcome = Transient("nothing of it was taken")
        match outcome:
            case Unauthorized() | Misconfigured():
                self.circuit.success()
                self.credentials.failure(now)
                return
            case Transient():
                record.failures += 1
                self.circuit.failure(now)
                self.credentials.inconclusive(now)
                return
            case AllAccepted() | Answered():
                record.successes += 1
                self._throttles = 0
        self.circuit.success()
        self.credentials.success()
        if self.refusal:
            self.refusal = ""
            _log.info("delivery goes on: the destination takes our credentials again")

    def _judge(self, shipment: Shipment[Owner], answer: Answered, now: float) -> list[Shipment[Owner]]:
        """Event by event: accepted ones are counted by owner, rejected ones handed over, the rest sent again."""
        accepted: dict[int, tuple[Owner, int]] = {}
        again: list[int] = []
        suspect, why, delivered = True, "", 0
        for position, ((owner, place), verdict) in enumerate(
            zip(shipment.batch.owners(), answer.verdicts, strict=True)
        ):
            match verdict:
                case Accepted():
                    delivered += 1
                    accepted[id(owner)] = (owner, accepted.get(id(owner), (owner, 0))[1] + 1)
                case Rejected():
                    self._resolutions.rejected(owner, place, verdict, shipment.tries + 1)
                case Transient(reason, data_suspect):
                    again.append(position)
                    suspect, why = suspect and data_suspect, reason
        self._metrics.delivered_events.inc(delivered)
        for owner, count in accepted.values():
            self._resolutions.accepted(owner, count)
        if not again:
            return []
        self._metrics.retries.labels("item").inc()
        rest = Shipment(choose(shipment.batch, again, self._limits), tries=shipment.tries, strikes=shipment.strikes)
        rest.successes, rest.failures = shipment.successes, shipment.failures
        return self._again(rest, now, suspect=suspect, code="refused_repeatedly", reason=why)

    def _again(
        self, shipment: Shipment[Owner], now: float, *, suspect: bool, code: str, reason: str
    ) -> list[Shipment[Owner]]:
        suspicion.note_failure(shipment, self._record, suspect=suspect)
        if suspect and suspicion.is_guilty(shipment):
            return self._split(shipment, now, Rejected(Stage.DELIVER, code, f"{reason}, while other events were taken"))
        if suspicion.should_split(shipment):
            return self._split(shipment, now, None)
        # While the circuit is open it is the circuit that spaces attempts; what failed for an outage must not wait beyond it.
        shipment.due = now if self.circuit.open else now + self._backoff.delay(shipment.tries)
        return [shipment]

    def _split(self, shipment: Shipment[Owner], now: float, alone: Rejected | None) -> list[Shipment[Owner]]:
        """Two halves; a single event is refused with ``alone``."""
        batch = shipment.batch
        if len(batch.items) > 1:
            parts = [Shipment(part, due=now) for part in halves(batch, self._limits)]
            for part in parts:
                suspicion.inherit(shipment, part)
            return parts
        if alone is not None:
            run = batch.runs[0]
            self._resolutions.rejected(run.owner, run.start, alone, shipment.tries + 1)
        return []
