"""Counts dead letters by the field that the reason names and the code of the event, bounded in how many of these there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.kafka.dead_letters.stored_letters import event_codes, field_of

if TYPE_CHECKING:
    from bridge.model.dead_letter import DeadLetter
    from bridge.model.ports import Decoder
    from bridge.telemetry.metrics import Metrics

MOST = 200
"""Pairs of a field and a code that are counted apart; names of events are what marketers make up, and each is a series for good."""
OTHER = "other"
_LONGEST = 100


class RefusedFields:
    """``decoder`` reads the codes of the events in letters."""

    def __init__(self, metrics: Metrics, decoder: Decoder) -> None:
        self._counter = metrics.refused_fields
        self._decoder = decoder
        self._known: set[tuple[str, str]] = set()

    def count(self, letter: DeadLetter, events: int) -> None:
        """``events`` are refused, for which ``letter`` is stored."""
        pair = field_of(letter)[:_LONGEST], self._code_of(letter)
        if pair not in self._known:
            if len(self._known) >= MOST:
                pair = OTHER, OTHER
            else:
                self._known.add(pair)
        self._counter.labels(letter.stage, letter.code, *pair).inc(events)

    def _code_of(self, letter: DeadLetter) -> str:
        try:
            codes = event_codes(letter.value, self._decoder) - {"None"}
        except Exception:  # noqa: BLE001 - whatever is wrong with it is why it is here, and the count is not worth a worker
            return ""
        return codes.pop()[:_LONGEST] if len(codes) == 1 else ""
