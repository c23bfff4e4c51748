"""Says in the log what the schema check left out of events: a line by field and code, at once and then once a minute."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.xdm.problems import DroppedValue

_log = structlog.get_logger(__name__)
EVERY_SECONDS: Final = 60.0
SHOWN: Final = 20


class DroppedValueLog:
    """Adds up values that were dropped and tells them. ``clock``: seconds, never back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counts: Counter[tuple[str, str]] = Counter()
        self._next = float("-inf")

    def tell(self, dropped: Sequence[DroppedValue]) -> None:
        """Add what one chunk dropped; one line when the last is a minute ago."""
        if not dropped:
            return
        self._counts.update((one.field, one.code) for one in dropped)
        now = self._clock()
        if now < self._next:
            return
        self._next = now + EVERY_SECONDS
        counts = {f"{field} {code}": count for (field, code), count in self._counts.most_common(SHOWN)}
        others = len(self._counts) - len(counts)
        _log.warning(
            "values_dropped",
            detail="The schema refuses these values; the events are delivered without them.",
            values=counts,
            **({"and_more": others} if others else {}),
            hint="aep-bridge mapping preview shows why; BRIDGE_MAPPING__ON_INVALID=reject keeps such events as dead letters",
        )
        self._counts.clear()
