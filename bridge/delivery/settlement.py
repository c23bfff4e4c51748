"""What becomes of the events of a request, by the type of its outcome and nothing else: told to their owners, or sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from bridge.delivery import blame
from bridge.delivery.batching import choose, halves
from bridge.delivery.waiting import Shipment
from bridge.model.verdicts import (
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
    from collections.abc import Sequence

    from bridge.delivery.batching import RequestLimits
    from bridge.delivery.flow_control import FlowControl
    from bridge.model.backoff import Backoff
    from bridge.model.verdicts import Outcome
    from bridge.telemetry.metrics import Metrics

Owner = TypeVar("Owner")
Owner_contra = TypeVar("Owner_contra", contravariant=True)
_TOO_MANY = 429
_TOO_LARGE = Rejected(Stage.DELIVER, "too_large", "larger than the destination accepts")


class Resolutions(Protocol[Owner_contra]):
    """Who is told what became of events."""

    def accepted(self, owner: Owner_contra, places: Sequence[int]) -> None:
        """These events of the owner are delivered: their numbers among those it has offered."""
        ...

    def rejected(self, owner: Owner_contra, event: int, rejected: Rejected, attempts: int) -> None:
        """This event is refused for good."""
        ...

    def gone(self, owner: Owner_contra) -> bool:
        """Whether the owner's events are no longer ours to deliver."""
        ...


class Settlement(Generic[Owner]):
    """Reads outcomes event by event. ``flow_control`` has noted an outcome before it is settled.

    ``postponed_tries``: what the destination has postponed this many times while it accepted others is refused for good; 0 for never.
    """

    def __init__(
        self,
        resolutions: Resolutions[Owner],
        limits: RequestLimits,
        flow_control: FlowControl,
        backoff: Backoff,
        metrics: Metrics,
        *,
        postponed_tries: int,
    ) -> None:
        self._resolutions = resolutions
        self._limits = limits
        self._flow_control = flow_control
        self._backoff = backoff
        self._metrics = metrics
        self._postponed_tries = postponed_tries

    def settle(self, shipment: Shipment[Owner], outcome: Outcome, now: float) -> list[Shipment[Owner]]:
        """Act on one outcome; what must be sent again, in order."""
        batch, retries = shipment.batch, self._metrics.retries
        match outcome:
            case AllAccepted():
                blame.note_taken(shipment, self._flow_control.record)
                self._metrics.delivered_events.inc(batch.events)
                for run in batch.runs:
                    self._resolutions.accepted(run.owner, range(run.start, run.start + run.count))
                for others in batch.folded.values():
                    for owner, place in others:
                        self._resolutions.accepted(owner, (place,))
                return []
            case Answered():
                return self._judge(shipment, outcome, now)
            case Throttled(status):
                retries.labels("throttled" if status == _TOO_MANY else "transient").inc()
                return [shipment]
            case Unauthorized(reason) | Misconfigured(reason):
                retries.labels("held").inc()
                blame.note_failure(shipment, self._flow_control.record, now, suspect=False, reason=reason)
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
        """Event by event: accepted ones are counted by owner, rejected ones handed over, the rest sent again.

        What may be the fault of its data goes apart from what is only postponed: for the first halves are tried.
        """
        accepted: dict[int, tuple[Owner, list[int]]] = {}
        again: dict[bool, list[int]] = {}
        why: dict[bool, str] = {}
        delivered = 0
        for position, ((owner, place), verdict) in enumerate(
            zip(shipment.batch.owners(), answer.verdicts, strict=True)
        ):
            match verdict:
                case Accepted():
                    for one, at in ((owner, place), *shipment.batch.folded.get(position, ())):
                        delivered += 1
                        accepted.setdefault(id(one), (one, []))[1].append(at)
                case Rejected():
                    self._reject(shipment, position, (owner, place), verdict, shipment.tries + 1)
                case Transient(reason, suspect):
                    again.setdefault(suspect, []).append(position)
                    why.setdefault(suspect, reason)
        if sum(map(len, again.values())) < len(shipment.batch.items):
            blame.note_taken(shipment, self._flow_control.record)
        self._metrics.delivered_events.inc(delivered)
        for owner, places in accepted.values():
            self._resolutions.accepted(owner, places)
        if again:
            self._metrics.retries.labels("item").inc()
        left: list[Shipment[Owner]] = []
        for suspect, positions in again.items():
            rest = Shipment(choose(shipment.batch, positions, self._limits))
            blame.continues(shipment, rest)
            left += self._again(
                rest, now, suspect=suspect, code="refused_repeatedly", reason=why[suspect], by_event=True
            )
        return left

    def _again(
        self, shipment: Shipment[Owner], now: float, *, suspect: bool, code: str, reason: str, by_event: bool = False
    ) -> list[Shipment[Owner]]:
        """Count the failure; ``by_event``: each event of the shipment was told so by name."""
        blame.note_failure(shipment, self._flow_control.record, now, suspect=suspect, reason=reason)
        if suspect and blame.is_guilty(shipment):
            return self._split(
                shipment, now, Rejected(Stage.DELIVER, code, f"{reason}, while other events were accepted")
            )
        told_apart = by_event or len(shipment.batch.items) == 1
        if told_apart and blame.is_given_up(shipment, self._postponed_tries):
            words = f"{reason}, {shipment.tries} times while other events were accepted"
            for position, first in enumerate(shipment.batch.owners()):
                rejected = Rejected(Stage.DELIVER, "postponed_repeatedly", words)
                self._reject(shipment, position, first, rejected, shipment.tries)
            return []
        # Halves tell which event it is; an answer event by event has told so already.
        if blame.should_split(shipment) and (suspect or not by_event):
            return self._split(shipment, now, None)
        # While the circuit is open it is the circuit that spaces attempts; what failed for an outage must not wait beyond it.
        shipment.due = now if self._flow_control.circuit.open else now + self._backoff.delay(shipment.tries)
        return [shipment]

    def _split(self, shipment: Shipment[Owner], now: float, alone: Rejected | None) -> list[Shipment[Owner]]:
        """Two halves; a single event is refused with ``alone``."""
        batch = shipment.batch
        if len(batch.items) > 1:
            parts = [Shipment(part, due=now) for part in halves(batch, self._limits)]
            for part in parts:
                blame.inherit(shipment, part)
            return parts
        if alone is not None:
            run = batch.runs[0]
            self._reject(shipment, 0, (run.owner, run.start), alone, shipment.tries + 1)
        return []

    def _reject(
        self, shipment: Shipment[Owner], position: int, first: tuple[Owner, int], rejected: Rejected, tries: int
    ) -> None:
        """The event of an item, and those that were folded into it, are refused for good."""
        for owner, place in (first, *shipment.batch.folded.get(position, ())):
            self._resolutions.rejected(owner, place, rejected, tries)
