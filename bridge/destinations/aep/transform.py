"""From a canonical event to what stands in a request to AEP: an ExperienceEvent in its envelope, or the event as it came."""

from __future__ import annotations

from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import orjson

from bridge.destinations.aep.dropped_values import DroppedValueLog
from bridge.model.verdicts import Rejected, Stage
from bridge.xdm.problems import DroppedValue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bridge.model.event import Event
    from bridge.telemetry.metrics import Metrics
    from bridge.xdm.experience_event import Built
    from bridge.xdm.size import SizeRule

    Encode = Callable[[Mapping[str, Any]], bytes | Rejected]

_NO_LIMIT = 1 << 62


class Builder(Protocol):
    """Makes an ExperienceEvent of an event (:class:`bridge.xdm.experience_event.ExperienceEvents`)."""

    @property
    def mapping(self) -> Any:
        """The compiled mapping set, with its ``sha256``."""
        ...

    def build(self, event: dict[str, Any]) -> Built:
        """Map and check one event."""
        ...

    def unmapped(self) -> Builder:
        """The same checks for an event that is mapped already."""
        ...


@runtime_checkable
class StraightBuilder(Protocol):
    """A builder with a shorter way for an event without warning, finding or rejection."""

    def straight(self) -> Callable[[dict[str, Any]], dict[str, Any] | Built]:
        """A function that gives such an event's ExperienceEvent alone, else what ``build`` gives."""
        ...


class RawTransform:
    """Events leave as they came; AEP maps them. A :class:`bridge.model.ports.Transform`."""

    mapping: str | None = None

    def __init__(self, encode: Encode) -> None:
        self.apply: Callable[[Event], bytes | Rejected | Sequence[bytes | Rejected]] = encode

    def apply_unmapped(self, value: bytes) -> bytes | Rejected:  # noqa: ARG002 - whatever it holds
        """AEP maps what this route sends: XDM cannot go that way."""
        return Rejected(
            Stage.DECODE, "xdm_not_taken", "the dataflow maps (payload raw), and takes no event that is XDM already"
        )

    def tally(self) -> None:
        """Nothing is noted."""

    def forget(self) -> None:
        """Nothing is noted."""


class XdmTransform:
    """Maps, checks and encodes events. A :class:`bridge.model.ports.Transform`.

    ``builder`` makes the ExperienceEvent, ``encode`` wraps it, ``size`` judges what is above its limit. ``clock`` gives
    seconds and never goes back.
    """

    def __init__(
        self,
        builder: Builder,
        encode: Encode,
        metrics: Metrics,
        *,
        size: SizeRule | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.builder = builder
        self.mapping: str | None = getattr(getattr(builder, "mapping", None), "sha256", None)
        self._build: Callable[[dict[str, Any]], dict[str, Any] | Built] = (
            builder.straight() if isinstance(builder, StraightBuilder) else builder.build
        )
        self._check: Callable[[dict[str, Any]], Built] | None = None
        self._encode = encode
        self._metrics = metrics
        self._size = size
        # Only what is above the limit needs the rule's judgement: one comparison for all others.
        self._limit = _NO_LIMIT if size is None or not size.limit else size.limit
        self._mapped = 0
        self._nulled: list[Any] = []
        self._identities: list[Any] = []
        self._findings: list[Any] = []
        self._by_row: dict[int, Any] = {}
        self._log = DroppedValueLog(clock)

    def apply(self, event: Event) -> bytes | Rejected:
        """One event as it stands in a request, or why it may not leave."""
        xdm = self._build(event)
        self._mapped += 1
        if not isinstance(xdm, dict):
            # Unpacked in one statement: a named tuple's fields cost a call each.
            xdm, nulled, identities, rejection, findings = xdm
            if nulled:
                self._nulled += nulled
            if identities:
                self._identities += identities
            if findings:
                self._findings += findings
            if rejection is not None:
                return rejection
        encoded = self._encode(xdm)
        if type(encoded) is bytes and len(encoded) > self._limit:
            return self._sized(xdm, encoded)
        return encoded

    def apply_unmapped(self, value: bytes) -> bytes | Rejected:
        """An ExperienceEvent that came back from AEP."""
        try:
            event = orjson.loads(value)
        except orjson.JSONDecodeError:
            event = None
        if not isinstance(event, dict):
            return Rejected(Stage.DECODE, "not_json", "what came back from AEP is not a JSON object")
        if self._check is None:
            self._check = self.builder.unmapped().build
        xdm, _, identities, rejection, findings = self._check(event)
        self._identities += identities
        self._findings += findings
        if rejection is not None:
            return rejection
        encoded = self._encode(xdm)
        return self._sized(xdm, encoded) if isinstance(encoded, bytes) and len(encoded) > self._limit else encoded

    def tally(self) -> None:
        """Add to metrics and log what was noted since the last call."""
        metrics = self._metrics
        if self._mapped:
            metrics.mapped_events.inc(self._mapped)
            self._mapped = 0
        if self._nulled:
            for row, count in Counter(one.row for one in self._nulled).items():
                if row not in self._by_row:
                    self._by_row[row] = metrics.mapping_warnings.labels(str(row))
                self._by_row[row].inc(count)
            self._nulled.clear()
        if self._identities:
            for reason, count in Counter(one.reason for one in self._identities).items():
                metrics.identities_dropped.labels(reason).inc(count)
            self._identities.clear()
        if self._findings:
            self._tally_findings(self._findings)
            self._findings = []

    def forget(self) -> None:
        """Drop what was noted since the last call."""
        self._mapped = 0
        self._nulled.clear()
        self._identities.clear()
        self._findings.clear()

    def _sized(self, xdm: dict[str, Any], encoded: bytes) -> bytes | Rejected:
        """The event as it may leave: smaller where the rule drops paths of it."""
        over = None if self._size is None else self._size.check(xdm, len(encoded))
        if over is None:
            return encoded
        self._metrics.oversize_events.labels(over.action).inc()
        if over.rejection is not None:
            return over.rejection
        return encoded if over.xdm is xdm else self._encode(over.xdm)

    def _tally_findings(self, findings: list[Any]) -> None:
        metrics = self._metrics
        dropped = [each for each in findings if type(each) is DroppedValue]
        for code, count in Counter(each.code for each in findings if type(each) is not DroppedValue).items():
            metrics.check_findings.labels(code).inc(count)
        # Labels are places of the schema and codes: as many as the schema has fields, whatever the events hold.
        for (field, code), count in Counter((each.field, each.code) for each in dropped).items():
            metrics.dropped_values.labels(field, code).inc(count)
        self._log.tell(dropped)
