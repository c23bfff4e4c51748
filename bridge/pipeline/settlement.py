"""What becomes of the events of a request, by the type of its outcome and nothing else: told to their owners, or sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from bridge.pipeline import suspicion
from bridge.pipeline.batching import choose, halves
from bridge.pipeline.waiting import Shipment
from bridge.verdicts import (
    Accepted,
    AllAccepted,
    Answered,
    Misconfigured,
    Mismatched,
    Rejected,
    Stage,
    Throttled,
    TooLarge,
    Transient,
    Unauthorized,
    Unexplained,
)

if TYPE_CHECKING:
    from bridge.pipeline.batching import Limits
    from bridge.pipeline.brakes import Brakes
    from bridge.pipeline.pacing import Backoff
    from bridge.telemetry.metrics import Metrics
    from bridge.verdicts import Outcome

Owner = TypeVar("Owner")
Owner_contra = TypeVar("Owner_contra", contravariant=True)
_TOO_LARGE = Rejected(Stage.DELIVER, "too_large", "alone over the destination's size")


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


class Settlement(Generic[Owner]):
    """Reads outcomes event by event. ``brakes`` has noted an outcome before it is settled."""

    def __init__(
        self, resolutions: Resolutions[Owner], limits: Limits, brakes: Brakes, backoff: Backoff, metrics: Metrics
    ) -> None:
        self._resolutions = resolutions
        self._limits = limits
        self._brakes = brakes
        self._backoff = backoff
        self._metrics = metrics

    def settle(self, shipment: Shipment[Owner], outcome: Outcome, now: float) -> list[Shipment[Owner]]:
        """Act on one outcome; what must be sent again, in order."""
        batch, retries = shipment.batch, self._metrics.retries
        match outcome:
            case AllAccepted():
                self._metrics.delivered_events.inc(len(batch.items))
                for run in batch.runs:
                    self._resolutions.accepted(run.owner, run.count)
                return []
            case Answered():
                return self._judge(shipment, outcome, now)
            case Throttled():
                retries.labels("throttled").inc()
                return [shipment]
            case Unauthorized() | Misconfigured():
                retries.labels("held").inc()
                return [shipment]
            case TooLarge():
                return self._split(shipment, now, _TOO_LARGE)
            case Unexplained(code, reason):
                return self._split(shipment, now, Rejected(Stage.DELIVER, code, reason))
            case Transient(reason, suspect):
                retries.labels("suspect" if suspect else "transient").inc()
                return self._again(shipment, now, suspect=suspect, code="refused_repeatedly", reason=reason)
            case Mismatched(reason):
                retries.labels("mismatched").inc()
                shipment.mismatches += 1
                if shipment.mismatches > 1 and len(batch.items) > 1:
                    return self._split(shipment, now, None)
                reason = f"the destination's answer cannot be read ({reason})"
                return self._again(shipment, now, suspect=True, code="answer_mismatched", reason=reason)

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
        suspicion.note_failure(shipment, self._brakes.record, suspect=suspect)
        if suspect and suspicion.is_guilty(shipment):
            return self._split(shipment, now, Rejected(Stage.DELIVER, code, f"{reason}, while other events were taken"))
        if suspicion.should_split(shipment):
            return self._split(shipment, now, None)
        # While the circuit is open it is the circuit that spaces attempts; what failed for an outage must not wait beyond it.
        shipment.due = now if self._brakes.circuit.open else now + self._backoff.delay(shipment.tries)
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
