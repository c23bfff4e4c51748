"""Marks over a store that a test can break, and chunks without contents."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from bridge.kafka.consumer.chunk import Chunk
from bridge.model.errors import KafkaError
from bridge.worker.restart_memory.marks import RestartMarks
from bridge.worker.restart_memory.memory import Remembered

P, Q = ("events", 0), ("events", 1)


class Store:
    """Keeps values; ``broken`` lets the next calls fail."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.writes: list[dict[bytes, bytes]] = []
        self.reads = 0
        self.broken: set[str] = set()

    async def read(self) -> dict[bytes, bytes]:
        """All, counted."""
        self.reads += 1
        if "read" in self.broken:
            raise KafkaError("no brokers")
        return dict(self.values)

    async def write(self, values: dict[bytes, bytes]) -> None:
        """Keep them at once, and return a moment later."""
        if "write" in self.broken:
            raise KafkaError("no brokers")
        self.writes.append(dict(values))
        self.values |= values
        await asyncio.sleep(0)

    def of(self, partition: tuple[str, int]) -> Remembered:
        """What is stored of a partition."""
        return Remembered.from_bytes(self.values.get(f"mapping/group/{partition[0]}/{partition[1]}".encode()))


class Bench:
    """Marks over a store, with what they did."""

    def __init__(self, store: Store, probation: int = 1_000, assigned: tuple[Any, ...] = ()) -> None:
        self.store, self.now = store, 0.0
        self.tried: list[int] = []
        self.bounds: list[float] = []
        self.told: list[bool] = []
        self.stored_when_tried: list[Remembered] = []
        self.marks = RestartMarks(
            store,
            "group",
            try_alone=self.attempt,
            put_off=self.bounds.append,
            clock=lambda: self.now,
            probation=probation,
            tell=self.told.append,
            assigned=lambda: assigned,
        )

    def attempt(self, record: Any) -> None:
        """Note what is tried, and what was stored by then."""
        self.tried.append(record.offset)
        self.stored_when_tried.append(self.store.of(P))

    async def take(self, chunk: Chunk) -> frozenset[int]:
        """As the worker does."""
        hung = await self.marks.before(chunk)
        chunk.admitted = True
        self.marks.after(chunk)
        return hung


def chunk(partition: tuple[str, int], first: int, last: int, generation: int = 1, *, written: int = 1_000) -> Chunk:
    """A chunk of records without contents."""
    records = [SimpleNamespace(offset=offset, timestamp=written + offset) for offset in range(first, last + 1)]
    return Chunk(
        partition, generation, first, last, records, 0, 0.0, len(records),
        since=first, upto=last + 1, anew=False, unreadable="", oldest=0.0, fetched=0.0,
    )  # fmt: skip


def held_by_a_dead_process(store: Store, *partitions: tuple[str, int], **remembered: Any) -> Store:
    """A process died while it held these partitions."""
    for topic, number in partitions:
        store.values[f"mapping/group/{topic}/{number}".encode()] = Remembered(busy=True, **remembered).to_bytes()
    return store
