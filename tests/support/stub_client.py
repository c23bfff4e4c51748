"""A Kafka client for tests in one process: logs in memory, and everything that a broker or a rebalance may do to them by hand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError

from bridge.kafka.consumer.client.kafka_client import Offsets, PolledRecords
from bridge.model.day_counts import NotedOffset

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bridge.kafka.consumer.chunk import Partition


@dataclass(frozen=True, slots=True)
class Row:
    """A record of a log."""

    offset: int
    value: bytes | None = b"{}"
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp: int = 0


@dataclass(slots=True)
class Log:
    """One partition: ``rows`` from ``first`` to before ``end``; offsets without a row are markers or compacted away."""

    rows: list[Row] = field(default_factory=list)
    first: int = 0
    end: int = 0
    position: int | None = None
    damaged: dict[int, Exception] = field(default_factory=dict)
    paused: bool = False
    received: bool = True
    """Whether the client has received what lies at its position."""

    def append(self, count: int = 1, *, gap: int = 0) -> None:
        """So many records, and behind them so many offsets without one."""
        self.rows += [Row(self.end + at) for at in range(count)]
        self.end += count + gap


class StubClient:
    """The port over ``logs``. ``stored`` has what the group has committed; ``fail_commits`` lets commits fail."""

    def __init__(self, *partitions: Partition) -> None:
        self.logs: dict[Partition, Log] = {partition: Log() for partition in partitions}
        self.stored: dict[Partition, int] = {}
        self.notes: dict[Partition, str] = {}
        self.fail_commits = False
        self.commits: list[dict[Partition, int]] = []
        self.raw_batches: dict[Partition, bytes] = {}
        self.raw_at: dict[int, bytes | Exception] = {}
        self.raw_asked: list[int] = []
        self.identity: bytes | None = b"first"
        self.patient = True
        self.member = True
        self.touched = 0
        self._came = asyncio.Event()

    def assign(self) -> None:
        """A new assignment of all partitions: each is read from what is committed."""
        for partition, log in self.logs.items():
            log.position = self._valid(log, self.stored.get(partition, log.first))
            log.paused = False

    def receive(self) -> None:
        """Something has come from the brokers."""
        self._came.set()

    @staticmethod
    def _valid(log: Log, offset: int) -> int:
        return offset if log.first <= offset <= log.end else log.first

    def holds(self) -> Collection[Partition]:
        """Partitions with something at their position."""
        return [
            partition
            for partition, log in self.logs.items()
            if log.received and not log.paused and (at := self.position(partition)) is not None and at < log.end
        ]

    def poll(self, partition: Partition, most: int) -> PolledRecords | None:
        """As the real one: rows before a damaged place come with its error."""
        log = self.logs[partition]
        start = log.position
        assert start is not None
        rows: list[Row] = []
        position, error = log.end, None
        for row in log.rows:
            if row.offset < start:
                continue
            if row.offset in log.damaged:
                position, error = row.offset, log.damaged[row.offset]
                break
            if len(rows) == most:
                position = row.offset
                break
            rows.append(row)
        log.position = position
        return PolledRecords(rows, start, position, error, error is not None)

    async def arrival(self, seconds: float) -> None:
        """Wait for :meth:`receive`."""
        self._came.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._came.wait()
        except TimeoutError:
            return

    async def beat(self) -> bool:
        """As the group says."""
        await asyncio.sleep(0)
        return self.member

    def be_patient(self, *, patient: bool) -> None:
        """Note it."""
        self.patient = patient

    def touch(self) -> None:
        """Count it."""
        self.touched += 1

    def position(self, partition: Partition) -> int | None:
        """Where it is read on; a position that is not there any more is reset to the first that is."""
        log = self.logs[partition]
        if log.position is not None and not log.paused:
            log.position = self._valid(log, log.position)
        return log.position

    def seek(self, partition: Partition, offset: int) -> None:
        """Read on there."""
        self.logs[partition].position = offset

    def pause(self, partition: Partition) -> None:
        """Give nothing of it."""
        self.logs[partition].paused = True

    def resume(self, partition: Partition) -> None:
        """Give of it again."""
        self.logs[partition].paused = False

    async def commit(self, offsets: Mapping[Partition, int], notes: Mapping[Partition, str]) -> None:
        """Store them, or fail."""
        await asyncio.sleep(0)
        if self.fail_commits:
            raise KafkaError("not stored")
        self.commits.append(dict(offsets))
        self.stored.update(offsets)
        self.notes.update({partition: notes.get(partition, "") for partition in offsets})

    async def noted(self, partitions: Collection[Partition]) -> dict[Partition, NotedOffset | None]:
        """What is stored, with its notes."""
        await asyncio.sleep(0)
        return {
            partition: NotedOffset(self.stored[partition], self.notes.get(partition, ""))
            if partition in self.stored
            else None
            for partition in partitions
        }

    async def committed(self, partitions: Collection[Partition]) -> dict[Partition, int | None]:
        """What is stored."""
        await asyncio.sleep(0)
        return {partition: self.stored.get(partition) for partition in partitions}

    async def first_offsets(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """First offsets that are there."""
        await asyncio.sleep(0)
        return {partition: self.logs[partition].first for partition in partitions}

    async def offsets(self, partitions: Collection[Partition]) -> dict[Partition, Offsets]:
        """Where they stand."""
        await asyncio.sleep(0)
        return {
            partition: Offsets(
                (log := self.logs[partition]).first, self.stored.get(partition), log.end, log.position, log.end
            )
            for partition in partitions
        }

    async def raw(self, partition: Partition, offset: int) -> bytes:
        """The batch that the test has put there, of the partition or for the offset; or an error."""
        self.raw_asked.append(offset)
        await asyncio.sleep(0)
        found = self.raw_at.get(offset, self.raw_batches.get(partition, b""))
        if isinstance(found, Exception):
            raise found
        return found

    async def topic_identity(self, _topic: str) -> bytes | None:
        """What the test says."""
        await asyncio.sleep(0)
        return self.identity

    def topic_partitions(self, topic: str) -> int | None:
        """How many logs of it there are."""
        return sum(name == topic for name, _ in self.logs) or None

    def refresh(self) -> None:
        """Nothing to do."""
