"""From a chunk of records to encoded events: decoded, mapped, checked and encoded in one go, each event on its own.

Synchronous by chunk (some milliseconds), so that nothing is awaited, logged or looked up by event; metrics are added up and
told once a chunk. Whatever an event makes go wrong becomes its dead letter, and its neighbours go on.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol
from zlib import crc32

import orjson

from bridge.model.verdicts import Rejected, Stage
from bridge.sources.moengage.envelopes import NotJson, Refusal, events_of, exactly, parse_json
from bridge.worker.watch.left_out import LeftOut
from bridge.xdm.problems import DroppedValue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bridge.kafka.consumer.ledger import Chunk, Fetched, Ledger
    from bridge.telemetry.metrics import Metrics
    from bridge.xdm.experience_event import Built
    from bridge.xdm.size import SizeRule

_NO_LIMIT = 1 << 62
_PART_BITS = 24
"""An event's place is its record's row and, from 1 on, its number within a batch; 16 million events a record will do."""


def place(row: int, part: int | None) -> int:
    """Row of a record and number of an event in it (None: the record is one event) as one integer."""
    return row << _PART_BITS | (0 if part is None else part + 1)


def row_and_part(place: int) -> tuple[int, int | None]:
    """Undo :func:`place`."""
    part = place & (1 << _PART_BITS) - 1
    return place >> _PART_BITS, part - 1 if part else None


class Builder(Protocol):
    """Makes an ExperienceEvent of an event (:class:`bridge.xdm.experience_event.ExperienceEvents`)."""

    def build(self, event: dict[str, Any]) -> Built:
        """Never raises, by its word; the intake does not rely on it."""
        ...


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


class Sketching(Protocol):
    """Looks at one event of each chunk (:class:`bridge.worker.watch.sketch.EventSketch`)."""

    def look(self, event: Any) -> None:
        """The last event of the chunk; a refusal or None where it had none."""
        ...


class Intake:
    """Takes chunks. ``builder`` may be exchanged at any time between two chunks; None sends events as they came (raw).

    ``mapping`` gives the sha256 of the builder's mapping set; each chunk keeps it. ``clock``: seconds, never back.
    """

    def __init__(
        self,
        ledger: Ledger,
        encode: Callable[[Mapping[str, Any]], bytes | Rejected],
        delivery: Delivering,
        letters: Rejecting,
        metrics: Metrics,
        *,
        builder: Builder | None,
        size: SizeRule | None = None,
        mapping: Callable[[], str | None] = lambda: None,
        sketch: Sketching | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.builder = builder
        self._mapping = mapping
        self._sketch = sketch
        self._size = size
        self._ledger = ledger
        self._encode = encode
        self._delivery = delivery
        self._letters = letters
        self._metrics = metrics
        self._nulled: dict[int, Any] = {}
        self._told = LeftOut(clock)

    def rehearse(self, record: Fetched) -> None:
        """Do to one record what :meth:`take` does, and keep nothing of it: what goes wrong is told when it is taken."""
        if record.value is None:
            return
        build, encode, size = None if self.builder is None else self.builder.build, self._encode, self._size
        with contextlib.suppress(Exception):
            for event in events_of(parse_json(record.value)):
                if isinstance(event, Refusal):
                    continue
                with contextlib.suppress(Exception):
                    xdm = event if build is None else build(event).xdm
                    encoded = encode(xdm)
                    if size is not None and isinstance(encoded, bytes):
                        size.check(xdm, len(encoded))

    def take(self, chunk: Chunk, hung: frozenset[int] = frozenset()) -> None:
        """Admit the chunk: every event of it goes to delivery or to the dead letters, now.

        ``hung`` are offsets of records that have ended processes: they are not looked at.
        """
        if chunk.closed or chunk.admitted:
            return
        if chunk.unreadable:
            self._ledger.admit(chunk, 1)
            self._letters.put(chunk, 0, None, Rejected(Stage.DECODE, "unreadable", told_of(chunk)), 0)
            return
        chunk.mapping = self._mapping()
        items: list[bytes] = []
        places = chunk.places
        refused: list[tuple[int, Rejected]] = []
        warnings: list[Any] = []
        dropped: list[Any] = []
        findings: list[Any] = []
        mapped = 0
        event: Any = None
        build = None if self.builder is None else self.builder.build
        encode, loads, size = self._encode, orjson.loads, self._size
        # Only what is above the limit needs the rule's judgement: one comparison for all others.
        limit = _NO_LIMIT if size is None or not size.limit else size.limit
        records = chunk.records
        for at, record in zip(range(0, len(records) << _PART_BITS, 1 << _PART_BITS), records, strict=True):
            value = record.value
            if value is None:
                continue  # a tombstone says that there is nothing
            if hung and record.offset in hung:
                refused.append((at, Rejected(Stage.MAP, "hung", "mapping it has ended several worker processes")))
                continue
            try:
                try:
                    document = loads(value)
                except orjson.JSONDecodeError:
                    document = parse_json(value)
                events = events_of(document)
                # Canonical is what the receiver wrote, and that is exact; whatever else came here may be read differently.
                if (len(events) != 1 or events[0] is not document) and (
                    (exact := exactly(value, document)) is not document
                ):
                    events = events_of(exact)
            except NotJson as error:
                refused.append((at, Rejected(Stage.DECODE, "not_json", str(error))))
                continue
            except Exception as error:  # noqa: BLE001 - one record must not take the worker along
                refused.append((at, _unexpected(Stage.DECODE, error)))
                continue
            place = at if len(events) == 1 else at + 1
            for event in events:
                if isinstance(event, Refusal):
                    refused.append((place, Rejected(Stage.DECODE, event.code, event.reason)))
                    place += 1
                    continue
                encoded: bytes | Rejected
                try:
                    if build is None:
                        encoded = encode(event)
                    else:
                        # Unpacked at once: a named tuple's fields cost a call each.
                        xdm, nulled, left, rejection, found = build(event)
                        mapped += 1
                        if nulled:
                            warnings += nulled
                        if left:
                            dropped += left
                        if found:
                            findings += found
                        encoded = encode(xdm) if rejection is None else rejection
                        if isinstance(encoded, bytes) and len(encoded) > limit and size is not None:
                            encoded = self._sized(size, xdm, encoded)
                except Exception as error:  # noqa: BLE001 - one event must not take its neighbours along
                    encoded = _unexpected(Stage.MAP, error)
                if isinstance(encoded, bytes):
                    items.append(encoded)
                    places.append(place)
                else:
                    refused.append((place, encoded))
                place += 1
        tags = _tags_of(chunk) if self._delivery.by_key else ()
        self._count(chunk, mapped, warnings, dropped, findings)
        self._ledger.admit(chunk, len(items) + len(refused))
        for place, rejected in refused:
            self._letters.put(chunk, *row_and_part(place), rejected, 0)
        if items:
            self._delivery.offer(chunk, items, tags)
        if self._sketch is not None:
            self._sketch.look(event)

    def _sized(self, rule: SizeRule, xdm: dict[str, Any], encoded: bytes) -> bytes | Rejected:
        """The event as it may leave: smaller where the rule drops paths of it."""
        over = rule.check(xdm, len(encoded))
        if over is None:
            return encoded
        self._metrics.oversize_events.labels(over.action).inc()
        if over.rejection is not None:
            return over.rejection
        return encoded if over.xdm is xdm else self._encode(over.xdm)

    def _count(self, chunk: Chunk, mapped: int, warnings: list[Any], dropped: list[Any], findings: list[Any]) -> None:
        metrics = self._metrics
        metrics.consumed_records.inc(len(chunk.records))
        if mapped:
            metrics.mapped_events.inc(mapped)
        for row, count in Counter(warning.row for warning in warnings).items():
            if row not in self._nulled:
                self._nulled[row] = metrics.mapping_warnings.labels(str(row))
            self._nulled[row].inc(count)
        for reason, count in Counter(each.reason for each in dropped).items():
            metrics.identities_dropped.labels(reason).inc(count)
        if findings:
            self._count_findings(findings)

    def _count_findings(self, findings: list[Any]) -> None:
        metrics = self._metrics
        left_out = [each for each in findings if type(each) is DroppedValue]
        for code, count in Counter(each.code for each in findings if type(each) is not DroppedValue).items():
            metrics.check_findings.labels(code).inc(count)
        # Labels are places of the schema and codes: as many as the schema has fields, whatever the events hold.
        for (field, code), count in Counter((each.field, each.code) for each in left_out).items():
            metrics.dropped_values.labels(field, code).inc(count)
        self._told.tell(left_out)


def told_of(chunk: Chunk) -> str:
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
