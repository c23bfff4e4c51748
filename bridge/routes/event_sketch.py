"""What the worker remembers of the events it maps: a bounded sketch of what no row reads, and the newest few for a reload.

It looks at one event of a chunk at most, once a second at most, and keeps what it sees in memory only.
"""

from __future__ import annotations

import time
from collections import deque
from math import inf
from typing import TYPE_CHECKING, Any, Final

import structlog

from bridge.mapping.workshop.drift import Drift

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.telemetry.metrics import Metrics

RECENT: Final = 64
"""Events that a changed mapping set is tried on before it is taken."""
_EVERY_SECONDS: Final = 1.0
_TELL_SECONDS: Final = 60.0
_HINT: Final = "aep-bridge mapping drift --from-kafka 1000 names them, with the row to add"
_log = structlog.get_logger(__name__)


class EventSketch:
    """The sketch of one worker process. ``clock`` is monotonic, ``wall`` gives seconds since the epoch."""

    def __init__(
        self,
        transform: Any,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._unmapped = metrics.unmapped_attributes
        self._next = self._tell_again = 0.0
        self._told = 0
        self._recent: deque[dict[str, Any]] = deque(maxlen=RECENT)
        self.follow(transform)

    def follow(self, transform: Any) -> None:
        """Compare with the rows of this transform's mapping set from now on; what was seen under another one is forgotten."""
        self.drift = Drift(getattr(getattr(transform.builder, "mapping", None), "rows", ()))
        for event in self._recent:
            self.drift.look(event, self._wall())
        self._unmapped.set(len(self.drift.unmapped()))

    def look(self, event: Any) -> None:
        """Take note of an event, unless another was looked at within the second."""
        now = self._clock()
        if now < self._next or not isinstance(event, dict):
            return
        self._next = now + _EVERY_SECONDS
        try:
            self._note(event, now)
        except Exception as error:  # noqa: BLE001 - what is only looked at must not take the worker along
            self._next = inf
            # Its message may quote the event: only the type is told.
            _log.error(
                "event_sketch_failed",
                detail="Attributes that no row reads are looked for no more until the next start; delivery goes on.",
                error=type(error).__name__,
            )

    def _note(self, event: dict[str, Any], now: float) -> None:
        self._recent.append(event)
        before = self.drift.paths
        self.drift.look(event, self._wall())
        if self.drift.paths != before:
            self._tell(now)

    def _tell(self, now: float) -> None:
        """Set the gauge; where it has grown, say so, once a minute at most. Names could be a person's data: only how many."""
        count = len(self.drift.unmapped())
        self._unmapped.set(count)
        if count > self._told and now >= self._tell_again:
            self._told, self._tell_again = count, now + _TELL_SECONDS
            _log.info(
                "attributes_unmapped",
                detail="Events have attributes that no row of the mapping set reads.",
                count=count,
                hint=_HINT,
            )

    @property
    def recent(self) -> Sequence[dict[str, Any]]:
        """The newest events that were looked at."""
        return list(self._recent)
