"""From a chunk of records to encoded events: decoded, mapped, checked and encoded in one go, each event on its own.

Synchronous by chunk (some milliseconds), so that nothing is awaited, logged or looked up by event; metrics are added up and
told once a chunk. Whatever an event makes go wrong becomes its dead letter, and its neighbours go on.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Protocol
from zlib import crc32

from bridge.model.dead_letter import is_xdm
from bridge.model.errors import NotJson
from bridge.model.event import LeftOut, Refusal
from bridge.model.verdicts import Rejected, Stage
from bridge.worker.chunk_counts import counts_of, counts_of_unreadable
from bridge.worker.event_places import PART_BITS, row_and_part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.kafka.consumer.chunk import Chunk, Fetched
    from bridge.kafka.consumer.ledger import Ledger
    from bridge.model.accepted_state import Consumed
    from bridge.model.event import Event
    from bridge.model.ports import Decoder, Sketch, Transform
    from bridge.telemetry.metrics import Metrics
    from bridge.worker.accepted_state.shelf import Unfinished

_NOTHING = Rejected(Stage.MAP, "internal_error", "it was mapped to nothing, which is not a verdict")


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


class Remembering(Protocol):
    """Prepares events from what was accepted before (:class:`bridge.worker.accepted_state.state_keeper.StateKeeper`)."""

    def prepare(self, chunk: Chunk, event: Event, record: Consumed) -> tuple[Event, Unfinished | None]:
        """The event as it is to be mapped, and what waits for its verdicts."""
        ...

    def rehearse(self, event: Event, record: Consumed) -> Event:
        """The event as it would be mapped, were nothing known."""
        ...

    def without_event(self, record: Consumed, outcome: Rejected | LeftOut) -> Unfinished | None:
        """What is to be remembered where decoding gave no event."""
        ...

    def mapped(self, event: Unfinished, elements: int) -> None:
        """``elements`` of the event are sent."""
        ...

    def refuse(self, chunk: Chunk, place: int, rejected: Rejected, attempts: int, event: Unfinished | None) -> None:
        """A dead letter of the event at this place."""
        ...

    def note(self, chunk: Chunk, event: Unfinished) -> None:
        """It was left out by a rule, and counts as one event of the chunk."""
        ...

    def tally(self) -> None:
        """Once a chunk."""
        ...

    def forget(self) -> None:
        """After a rehearsal."""
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
        memory: Remembering | None = None,
    ) -> None:
        self.transform = transform
        self._memory = memory
        self._decode = decoder.decode
        self._sketch = sketch
        self._ledger = ledger
        self._delivery = delivery
        self._letters = letters
        self._metrics = metrics

    def rehearse(self, record: Fetched) -> None:
        """Do to one record what :meth:`map_chunk` does, and keep nothing of it: what goes wrong is told when it is taken."""
        if record.value is None:
            return
        transform, memory = self.transform, self._memory
        if is_xdm(record.headers or ()):
            self._unmapped(record.value)
            transform.forget()
            return
        with contextlib.suppress(Exception):
            for event in self._decode(record.value):
                if isinstance(event, (Refusal, LeftOut)):
                    continue
                with contextlib.suppress(Exception):
                    transform.apply(event if memory is None else memory.rehearse(event, record))
        transform.forget()
        if memory is not None:
            memory.forget()

    def map_chunk(self, chunk: Chunk, hung: frozenset[int] = frozenset()) -> None:
        """Admit the chunk: every event of it goes to delivery or to the dead letters, now.

        ``hung`` are offsets of records that have ended processes: they are not looked at.
        """
        if chunk.closed or chunk.admitted:
            return
        if chunk.unreadable:
            chunk.counts = counts_of_unreadable(chunk)
            self._ledger.admit(chunk, 1)
            self._letters.put(chunk, 0, None, Rejected(Stage.DECODE, "unreadable", why_unreadable(chunk)), 0)
            return
        transform = self.transform
        chunk.mapping = transform.mapping
        items: list[bytes] = []
        places = chunk.places
        refused: list[tuple[int, Rejected, Unfinished | None]] = []
        left_out: list[tuple[int, str]] = []
        several = False
        event: Any = None
        memory = self._memory
        kept: Unfinished | None = None
        unfinished: list[Unfinished | None] = []
        noted: list[Unfinished] = []
        decode, apply = self._decode, transform.apply
        take, take_place = items.append, places.append
        records = chunk.records
        for at, record in zip(range(0, len(records) << PART_BITS, 1 << PART_BITS), records, strict=True):
            value = record.value
            if value is None:
                continue  # a tombstone says that there is nothing
            if hung and record.offset in hung:
                rejected = Rejected(Stage.MAP, "hung", "mapping it has ended several worker processes")
                refused.append((at, rejected, self._undecoded(record, rejected)))
                continue
            if record.headers and is_xdm(record.headers):
                checked = self._unmapped(value)
                if isinstance(checked, bytes):
                    items.append(checked)
                    places.append(at)
                    unfinished.append(None)
                else:
                    refused.append((at, checked, None))
                continue
            try:
                events = decode(value)
            except Exception as error:  # noqa: BLE001 - one record must not take the worker along
                rejected = (
                    Rejected(Stage.DECODE, "not_json", str(error))
                    if isinstance(error, NotJson)
                    else _unexpected(Stage.DECODE, error)
                )
                refused.append((at, rejected, self._undecoded(record, rejected)))
                continue
            place = at if len(events) == 1 else at + 1
            for event in events:
                if event.__class__ is not dict:
                    if isinstance(event, LeftOut):
                        self._metrics.left_out_events.labels(event.rule).inc()
                        left_out.append((place, event.rule))
                        if memory is not None and (left := memory.without_event(record, event)) is not None:
                            noted.append(left)
                    else:
                        rejected = Rejected(Stage.DECODE, event.code, event.reason)
                        refused.append((place, rejected, self._undecoded(record, rejected)))
                    place += 1
                    continue
                try:
                    if memory is None:
                        encoded = apply(event)
                    else:
                        kept = None
                        prepared, kept = memory.prepare(chunk, event, record)
                        encoded = apply(prepared)
                except Exception as error:  # noqa: BLE001 - one event must not take its neighbours along
                    encoded = _unexpected(Stage.MAP, error)
                before = len(items)
                if isinstance(encoded, bytes):
                    take(encoded)
                    take_place(place)
                elif isinstance(encoded, Rejected):
                    refused.append((place, encoded, kept))
                elif not encoded:
                    refused.append((place, _NOTHING, kept))
                else:
                    several = True
                    for element in encoded:
                        if isinstance(element, bytes):
                            take(element)
                            take_place(place)
                        else:
                            refused.append((place, element, kept))
                if memory is not None:
                    elements = len(items) - before
                    unfinished += [kept] * elements
                    if kept is not None:
                        kept.refused = bool(refused) and refused[-1][2] is kept
                        memory.mapped(kept, elements)
                place += 1
        tags = _tags_of(chunk) if self._delivery.by_key else ()
        self._metrics.consumed_records.inc(len(records))
        transform.tally()
        chunk.counts = counts_of(chunk, refused, left_out, several=several)
        self._ledger.admit(chunk, len(items) + len(refused) + len(noted))
        if memory is None:
            for place, rejected, _ in refused:
                self._letters.put(chunk, *row_and_part(place), rejected, 0)
        else:
            chunk.unfinished = unfinished
            memory.tally()
            for place, rejected, kept in refused:
                memory.refuse(chunk, place, rejected, 0, kept)
            for kept in noted:
                memory.note(chunk, kept)
        if items:
            self._delivery.offer(chunk, items, tags)
        if self._sketch is not None:
            self._sketch.look(event)

    def _undecoded(self, record: Fetched, rejected: Rejected) -> Unfinished | None:
        return None if self._memory is None else self._memory.without_event(record, rejected)

    def _unmapped(self, value: bytes) -> bytes | Rejected:
        """A replayed event that is in the destination's form already."""
        try:
            return self.transform.apply_unmapped(value)
        except Exception as error:  # noqa: BLE001 - one event must not take its neighbours along
            return _unexpected(Stage.CHECK, error)


def why_unreadable(chunk: Chunk) -> str:
    """Where what could not be read lies, and why."""
    last = chunk.upto - 1
    place = f"offset {chunk.first}" if last <= chunk.first else f"offsets {chunk.first} to {last}"
    return f"{place} cannot be read: {chunk.unreadable}"


def _tags_of(chunk: Chunk) -> list[int]:
    """For each encoded event what stands for its record's key; without a key, below 0, its partition."""
    keyless = -1 - chunk.partition[1]
    keys = [chunk.records[at >> PART_BITS].key for at in chunk.places]
    return [keyless if key is None else crc32(key) for key in keys]


def _unexpected(stage: Stage, error: Exception) -> Rejected:
    # Its message may quote the event: only the type is told.
    return Rejected(stage, "internal_error", f"unexpected {type(error).__name__}")
