"""The worker's path from a record to a filled request, beside the floor's, in one process: what the ratio test looks at.

Ours is the worker's own: ledger, intake (decode, canonical form, mapping, identities, checks, encoding), batcher, verdicts,
commit positions, metrics. The floor is the loop of :mod:`bench.peers.floor`. Neither Kafka nor HTTP takes part. Both are
given the same records in turn, many times, and CPU time is counted: the median of the paired ratios hardly moves with
what else the machine does.
"""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from bench import handwritten
from bench.records import ROOT, records
from bench.stage import cleaned
from bridge.delivery.batching import Batcher, RequestLimits
from bridge.destinations.aep.envelope import Envelope, xdm_envelope
from bridge.destinations.aep.transform import XdmTransform
from bridge.kafka.consumer.ledger import Ledger
from bridge.routes.mapping_opening import open_experience_events
from bridge.runtime.heap import keep_freed_memory
from bridge.settings import MappingSettings
from bridge.sources.moengage.decoder import DECODER
from bridge.telemetry.metrics import Metrics
from bridge.worker.chunk_mapping import ChunkMapping
from bridge.xdm.size import SizeRule

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.kafka.consumer.chunk import Chunk

RECORDS, CHUNK = 4_000, 500
_PARTITION = ("bench", 0)


@dataclass(frozen=True, slots=True)
class Record:
    """What the intake reads of aiokafka's record."""

    key: bytes
    value: bytes
    offset: int
    timestamp: int = 1_731_421_200_000
    headers: tuple[tuple[str, bytes], ...] = ()


def envelope() -> Envelope:
    """An XDM envelope of the usual length."""
    return xdm_envelope(
        schema_id="https://ns.adobe.com/yourorgname/schemas/0123456789abcdef",
        org_id="0123456789ABCDEF01234567@AdobeOrg",
        dataset_id="0123456789abcdef01234567",
        flow_id="01234567-89ab-cdef-0123-456789abcdef",
        source_name="MoEngage Streams",
        max_request_bytes=1_000_000,
    )


def mapping_settings(*, schema: bool = False) -> MappingSettings:
    """The shipped mapping."""
    files = ROOT / "mappings"
    named: dict[str, Any] = {"schema": files / "moengage_events.schema.json" if schema else "none"}
    return MappingSettings(path=files / "moengage_events.csv", **named)


def made_records(count: int = RECORDS) -> list[Record]:
    """Records as the consumer hands them over."""
    return [Record(key, value, offset) for offset, (key, value) in enumerate(records(count))]


class _Letters:
    """No event of the bench is refused."""

    def put(self, *_: Any) -> None:
        raise AssertionError("refused")


class _Delivery:
    """Fills requests, and has each accepted as soon as it is full."""

    by_key = False

    def __init__(self, ledger: Ledger, wrapped: Envelope) -> None:
        self._limits = RequestLimits(
            wrapped.max_request_bytes, 10_000, wrapped.frame_bytes, len(wrapped.separator), 0.5
        )
        self._batcher: Batcher[Chunk] = Batcher(self._limits)
        self._ledger, self._body = ledger, wrapped.batch
        self.bodies = self.bytes = self.events = 0

    def offer(self, owner: Chunk, items: Sequence[bytes], _tags: Any = ()) -> None:
        self._batcher.add(owner, items, 0.0)
        self.land(force=False)

    def land(self, *, force: bool) -> None:
        while (batch := self._batcher.next_batch(0.0, force=force)) is not None:
            self.bytes += len(self._body(batch.items))
            self.bodies += 1
            self.events += len(batch.items)
            for run in batch.runs:
                self._ledger.resolve(run.owner, run.count)


def ours(*, schema: bool = False) -> Callable[[Sequence[Record]], int]:
    """The worker's way; gives the events that reached a request."""
    settings = mapping_settings(schema=schema)
    builder, wrapped, metrics = open_experience_events(settings), envelope(), Metrics()
    size = SizeRule(settings)

    def go(rows: Sequence[Record]) -> int:
        ledger = Ledger()
        delivery = _Delivery(ledger, wrapped)
        transform = XdmTransform(builder, wrapped.encode, metrics, size=size)
        intake = ChunkMapping(ledger, DECODER, transform, delivery=delivery, letters=_Letters(), metrics=metrics)
        ledger.open(1, {_PARTITION: None})
        for start in range(0, len(rows), CHUNK):
            run = rows[start : start + CHUNK]
            chunk = ledger.register_chunk(_PARTITION, 1, run, 600_000, first=run[0].offset, last=run[-1].offset)
            assert chunk is not None
            intake.map_chunk(chunk)
        delivery.land(force=True)
        assert ledger.committable() == {_PARTITION: len(rows)}
        return delivery.events

    return go


def floor() -> Callable[[Sequence[Record]], int]:
    """The floor's way."""
    head, tail = envelope().head, envelope().tail
    loads, dumps, build = orjson.loads, orjson.dumps, handwritten.build

    def go(rows: Sequence[Record]) -> int:
        items: list[bytes] = []
        size = events = 0
        for record in rows:
            item = head + dumps(build(loads(record.value))) + tail
            if size + len(item) > 1_000_000:
                events += len(items)
                b'{"messages":[' + b",".join(items) + b"]}"
                items, size = [], 0
            items.append(item)
            size += len(item) + 1
        b'{"messages":[' + b",".join(items) + b"]}"
        return events + len(items)

    return go


def compare(rounds: int = 15, count: int = RECORDS) -> dict[str, float]:
    """Microseconds of CPU an event of both and of ours with the schema, and the median of the paired ratios."""
    keep_freed_memory()  # as the worker does when it starts; else half of what differs here is the kernel's
    rows = made_records(count)
    ways = {"floor": floor(), "ours": ours(), "ours_schema": ours(schema=True)}
    taken: dict[str, list[float]] = {name: [] for name in ways}
    gc.collect()
    gc.freeze()
    before = gc.get_threshold()
    gc.set_threshold(50_000, 10, 10)
    try:
        for way in ways.values():
            assert way(rows) == count
        for _ in range(rounds):
            for name, way in ways.items():
                began = time.process_time()
                way(rows)
                taken[name].append((time.process_time() - began) / count * 1e6)
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
    ratios = [floor_ / ours_ for floor_, ours_ in zip(taken["floor"], taken["ours"], strict=True)]
    with_schema = [floor_ / ours_ for floor_, ours_ in zip(taken["floor"], taken["ours_schema"], strict=True)]
    return {f"{name}_us": round(cleaned(found)[0], 2) for name, found in taken.items()} | {
        "of_floor": round(cleaned(ratios)[0], 3),
        "of_floor_spread": round(cleaned(ratios)[1], 3),
        "schema_of_floor": round(cleaned(with_schema)[0], 3),
    }


if __name__ == "__main__":
    print(compare())
