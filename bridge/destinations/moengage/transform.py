"""From a canonical event to encoded elements: mapped, shaped and checked. A :class:`bridge.model.ports.Transform`.

What MoEngage would make less of is counted by place and rule, and told in the log once a minute at most.
"""

from __future__ import annotations

from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

from bridge.model.verdicts import Rejected, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bridge.destinations.moengage.remarks import Remark
    from bridge.destinations.moengage.shaping import Shaper
    from bridge.model.event import Event
    from bridge.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)
_EVERY_SECONDS: Final = 60.0
_SHOWN: Final = 20
_FIELDS: Final = 1_000
_OTHER: Final = "(other)"
"""Label of fields beyond a number: data with ever new names must not make ever new series."""


class Nulled(Protocol):
    """An attribute whose row failed."""

    @property
    def row(self) -> int:
        """Line of the mapping set."""


class MoEngageTransform:
    """Events to elements.

    ``map_event`` gives what the mapping set writes of an event, and the rows that failed. ``mapping``: sha256 of the set.
    ``attributes``: by line of a row, the user's attribute that it writes. ``builder``: what compares two sets on events.
    """

    def __init__(
        self,
        map_event: Callable[[Event], tuple[Mapping[str, Any], Sequence[Nulled]]],
        shaper: Shaper,
        metrics: Metrics,
        *,
        mapping: str,
        attributes: Mapping[int, str],
        builder: Any = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.mapping: str | None = mapping
        self.builder = builder
        self._map = map_event
        self._shape = shaper.shape
        self._metrics = metrics
        self._attributes = attributes
        self._clock = clock
        self._mapped = 0
        self._nulled: list[Nulled] = []
        self._findings: list[Remark] = []
        self._by_row: dict[int, Any] = {}
        self._labels: dict[tuple[str, str], Any] = {}
        self._untold: Counter[tuple[str, str]] = Counter()
        self._tell_at = float("-inf")

    def apply(self, event: Event) -> Sequence[bytes | Rejected] | Rejected:
        """The elements of one event, or why it may not leave."""
        mapped, nulled = self._map(event)
        self._mapped += 1
        failed: Sequence[str] = ()
        if nulled:
            self._nulled += nulled
            failed = [self._attributes[one.row] for one in nulled if one.row in self._attributes]
        items, _, rejection, findings = self._shape(mapped, failed)
        if findings:
            self._findings += findings
        return items if rejection is None else rejection

    def apply_unmapped(self, value: bytes) -> bytes | Rejected:  # noqa: ARG002 - whatever it holds
        """MoEngage takes no XDM."""
        return Rejected(
            Stage.DECODE, "xdm_not_taken", "the event is XDM, as AEP gave it back, and this route goes to MoEngage"
        )

    def tally(self) -> None:
        """Add to metrics and log what was noted since the last call."""
        if self._mapped:
            self._metrics.mapped_events.inc(self._mapped)
            self._mapped = 0
        if self._nulled:
            for row, count in Counter(one.row for one in self._nulled).items():
                if row not in self._by_row:
                    self._by_row[row] = self._metrics.mapping_warnings.labels(str(row))
                self._by_row[row].inc(count)
            self._nulled.clear()
        if self._findings:
            found = Counter((one.field, one.code) for one in self._findings)
            self._findings.clear()
            for (field, code), count in found.items():
                self._counter(field, code).inc(count)
            self._tell(found)

    def forget(self) -> None:
        """Drop what was noted since the last call."""
        self._mapped = 0
        self._nulled.clear()
        self._findings.clear()

    def _counter(self, field: str, code: str) -> Any:
        known = self._labels.get((field, code))
        if known is None:
            if len(self._labels) >= _FIELDS:
                return self._metrics.moengage_findings.labels(_OTHER, code)
            known = self._labels[field, code] = self._metrics.moengage_findings.labels(field, code)
        return known

    def _tell(self, found: Counter[tuple[str, str]]) -> None:
        self._untold.update(found)
        now = self._clock()
        if now < self._tell_at:
            return
        self._tell_at = now + _EVERY_SECONDS
        shown = self._untold.most_common(_SHOWN)
        others = len(self._untold) - len(shown)
        _log.warning(
            "elements_less_than_sent",
            detail="MoEngage answers 200, then cuts, drops or ignores these parts without a word.",
            values={f"{field} {code}": count for (field, code), count in shown},
            **({"and_more": others} if others else {}),
            hint="aep-bridge mapping preview shows why; BRIDGE_MOENGAGE__ON_VIOLATION=reject keeps such events as dead letters",
        )
        self._untold.clear()
