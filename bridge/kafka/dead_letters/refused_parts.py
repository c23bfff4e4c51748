"""What dead letters need of a record that holds many events: one of them alone, and how many were refused alike.

A record is parsed once, not once for each of its events that is refused. Only records of other writers hold batches.
"""

from __future__ import annotations

import contextlib
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.model.dead_letter import uuid_of
from bridge.model.event import MOST, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.kafka.consumer.chunk import Chunk
    from bridge.model.ports import Decoder

MOST_EQUAL = 20
"""Most refusals of one record with the same code that get a letter each: a few kilobytes can hold a hundred thousand items that
are no events, and a letter each, every one in its envelope, would be gigabytes."""
_REMEMBERED = 8
"""Records of several events that are remembered; of one that is forgotten a few letters more are made."""


@dataclass(slots=True)
class _BatchRecord:
    """One record of a chunk: its document and events, refusals by code, and the letter that stands for all of a code."""

    chunk: Chunk
    document: Any
    events: Sequence[Any]
    counts: Counter[str] = field(default_factory=Counter)
    together: dict[str, Any] = field(default_factory=dict)


class RefusedParts:
    """Remembers the records of which parts were refused last."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._records: OrderedDict[tuple[int, int], _BatchRecord] = OrderedDict()

    def many(self, chunk: Chunk, row: int, code: str) -> bool:
        """Count one more refusal of the record with this code; whether it is one too many for a letter of its own."""
        record = self._of(chunk, row)
        if record is None:
            return False
        record.counts[code] += 1
        return record.counts[code] > MOST_EQUAL

    def together(self, chunk: Chunk, row: int, code: str) -> Any:
        """The letter that stands for the record's refusals with this code; None when there is none yet."""
        record = self._of(chunk, row)
        return None if record is None else record.together.get(code)

    def put_together(self, chunk: Chunk, row: int, code: str, letter: Any) -> None:
        """Remember the letter that stands for the record's refusals with this code from now on."""
        record = self._of(chunk, row)
        if record is not None:
            record.together[code] = letter

    def alone(self, chunk: Chunk, row: int, part: int | None) -> tuple[bytes, str | None]:
        """The record's value, or its event ``part`` alone in its envelope; and the event's own id."""
        value = chunk.records[row].value
        if value is None:
            return b"", None
        # Whatever is wrong with it is why it is here; as a whole it is always storable.
        with contextlib.suppress(Exception):
            if part is None:
                events = self._decoder.decode(value)
                return value, uuid_of(events[0]) if len(events) == 1 else None
            if (record := self._of(chunk, row)) is not None:
                alone = self._decoder.encode(self._decoder.isolate(record.document, part))
                return (value if isinstance(alone, Refusal) else alone), uuid_of(record.events[part])
        return value, None

    def _of(self, chunk: Chunk, row: int) -> _BatchRecord | None:
        place = (id(chunk), row)
        record = self._records.get(place)
        # An id is used again once its chunk is gone: the one that is remembered is held, so it is not.
        if record is None:
            value = chunk.records[row].value or b""
            try:
                document = self._decoder.parse_record(value)
                record = _BatchRecord(chunk, document, self._decoder.events_of(document, MOST))
            except Exception:  # noqa: BLE001 - what cannot be read has no parts
                return None
            for gone in [key for key, each in self._records.items() if each.chunk.closed or not each.chunk.unresolved]:
                del self._records[gone]
            self._records[place] = record
            if len(self._records) > _REMEMBERED:
                self._records.popitem(last=False)
        return record
