"""From a chunk of records to encoded events: decoded, mapped, checked and encoded in one go, each event on its own.

Synchronous by chunk (some milliseconds), so that nothing is awaited, logged or looked up by event; metrics are added up and
told once a chunk. Whatever an event makes go wrong becomes its dead letter, and its neighbours go on.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Protocol
from zlib import crc32

from bridge.model.errors import NotJson
from bridge.model.event import LeftOut, Refusal
from bridge.model.verdicts import Rejected, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.kafka.consumer.ledger import Chunk, Fetched, Ledger
    from bridge.model.ports import Decoder, Sketch, Transform
    from bridge.telemetry.metrics import Metrics

_PART_BITS = 24
"""An event's place is its record's row and, from 1 on, its number within a batch; 16 million events a record will do."""


_NOTHING = Rejected(Stage.MAP, "internal_error", "it was mapped to nothing, which is no verdict")


def place(row: int, part: int | None) -> int:
    """Row of a record and number of an event in it (None: the record is one event) as one integer."""
    return row << _PART_BITS | (0 if part is None else part + 1)


def row_and_part(place: int) -> tuple[int, int | None]:
    """Undo :func:`place`."""
    part = place & (1 << _PART_BITS) - 1
    return place >> _PART_BITS, part - 1 if part else None


class Delivering(Protocol):
    """Takes encoded events (:class:`bridge.delivery.delivery.Delivery`)."""

    by_key: bool

    def offer(self, owner: Chunk, items: Sequence[bytes], tags: Sequence[int] = ()) -> None:
        """All events of one chunk that may leave; with ``by_key`` a tag for each."""
        ...


class Rejecting(Protocol):
    """Takes refused events (:class:`bridge.kafka.dead_letters.store.DeadLetters`)."""

    def put(self, chunk: Chunk, row: int, part: int | None, rejected: Rejected, attempts: int) -> None:
        """One event, or a record as a whole."""
        ...


class ChunkMapping:
    """Takes chunks. ``transform`` may be exchanged at any time between two chunks; each chunk keeps its ``mapping``."""

    def __init__(
        self,
        ledger: Ledger,
        decoder: Decoder,
        transform: Transform,
        *,
        delivery: Delivering,
        letters: Rejecting,
        metrics: Metrics,
        sketch: Sketch | None = None,
    ) -> None:
        self.transform = transform
        self._decode = decoder.decode
        self._sketch = sketch
        self._ledger = ledger
        self._delivery = delivery
        self._letters = letters
        self._metrics = metrics

    def rehearse(self, record: Fetched) -> None:
        """Do to one record what :meth:`take` does, and keep nothing of it: what goes wrong is told when it is taken."""
        if record.value is None:
            return
        transform = self.transform
        with contextlib.suppress(Exception):
            for event in self._decode(record.value):
                if isinstance(event, (Refusal, LeftOut)):
                    continue
                with contextlib.suppress(Exception):
                    transform.apply(event)
        transform.forget()

    def take(self, chunk: Chunk, hung: frozenset[int] = frozenset()) -> None:
        """Admit the chunk: every event of it goes to delivery or to the dead letters, now.

        ``hung`` are offsets of records that have ended processes: they are not looked at.
        """
        if chunk.closed or chunk.admitted:
            return
        if chunk.unreadable:
            self._ledger.admit(chunk, 1)
            self._letters.put(chunk, 0, None, Rejected(Stage.DECODE, "unreadable", why_unreadable(chunk)), 0)
            return
        transform = self.transform
        chunk.mapping = transform.mapping
        items: list[bytes] = []
        places = chunk.places
        refused: list[tuple[int, Rejected]] = []
        event: Any = None
        decode, apply = self._decode, transform.apply
        records = chunk.records
        for at, record in zip(range(0, len(records) << _PART_BITS, 1 << _PART_BITS), records, strict=True):
            value = record.value
            if value is None:
                continue  # a tombstone says that there is nothing
            if hung and record.offset in hung:
                refused.append((at, Rejected(Stage.MAP, "hung", "mapping it has ended several worker processes")))
                continue
            try:
                events = decode(value)
            except NotJson as error:
                refused.append((at, Rejected(Stage.DECODE, "not_json", str(error))))
                continue
            except Exception as error:  # noqa: BLE001 - one record must not take the worker along
                refused.append((at, _unexpected(Stage.DECODE, error)))
                continue
            place = at if len(events) == 1 else at + 1
            for event in events:
                if event.__class__ is not dict:
                    if isinstance(event, LeftOut):
                        self._metrics.left_out_events.labels(event.rule).inc()
                    else:
                        refused.append((place, Rejected(Stage.DECODE, event.code, event.reason)))
                    place += 1
                    continue
                try:
                    encoded = apply(event)
                except Exception as error:  # noqa: BLE001 - one event must not take its neighbours along
                    encoded = _unexpected(Stage.MAP, error)
                if isinstance(encoded, bytes):
                    items.append(encoded)
                    places.append(place)
                elif isinstance(encoded, Rejected):
                    refused.append((place, encoded))
                elif not encoded:
                    refused.append((place, _NOTHING))
                else:
                    for element in encoded:
                        if isinstance(element, bytes):
                            items.append(element)
                            places.append(place)
                        else:
                            refused.append((place, element))
                place += 1
        tags = _tags_of(chunk) if self._delivery.by_key else ()
        self._metrics.consumed_records.inc(len(records))
        transform.tally()
        self._ledger.admit(chunk, len(items) + len(refused))
        for place, rejected in refused:
            self._letters.put(chunk, *row_and_part(place), rejected, 0)
        if items:
            self._delivery.offer(chunk, items, tags)
        if self._sketch is not None:
            self._sketch.look(event)


def why_unreadable(chunk: Chunk) -> str:
    """Where what could not be read lies, and why."""
    last = chunk.upto - 1
    place = f"offset {chunk.first}" if last <= chunk.first else f"offsets {chunk.first} to {last}"
    return f"{place} cannot be read: {chunk.unreadable}"


def _tags_of(chunk: Chunk) -> list[int]:
    """For each encoded event what stands for its record's key; without a key, below 0, its partition."""
    keyless = -1 - chunk.partition[1]
    keys = [chunk.records[at >> _PART_BITS].key for at in chunk.places]
    return [keyless if key is None else crc32(key) for key in keys]


def _unexpected(stage: Stage, error: Exception) -> Rejected:
    # Its message may quote the event: only the type is told.
    return Rejected(stage, "internal_error", f"unexpected {type(error).__name__}")
