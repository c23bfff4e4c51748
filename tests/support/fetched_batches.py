"""aiokafka's own fetcher holding batches as a broker stores them, without a broker; and such batches, damaged on demand."""

from __future__ import annotations

import asyncio
import struct
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, Fetcher, FetchError, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from bridge.kafka.consumer.client.aiokafka_client import AiokafkaClient

P0, P1 = ("t", 0), ("t", 1)
_CRC_AT, _CHECKED_FROM = 17, 21


def batch(
    base: int, values: list[bytes], *, compression: int = 0, headers: list[tuple[str, bytes]] | None = None
) -> bytes:
    """One batch with records from offset ``base`` on; each has the key ``k`` and these headers."""
    builder = DefaultRecordBatchBuilder(2, compression, 0, -1, -1, -1, 10_000_000)
    for at, value in enumerate(values):
        builder.append(at, 1_700_000_000_000 + at, b"k", value, headers or [])
    made = bytearray(builder.build())
    struct.pack_into(">q", made, 0, base)
    return bytes(made)


def checked(raw: bytes) -> bytes:
    """The batch with the checksum that it should have."""
    made = bytearray(raw)
    struct.pack_into(">I", made, _CRC_AT, calc_crc32c(bytes(made[_CHECKED_FROM:])))
    return bytes(made)


def rotten(raw: bytes, at: int = -3) -> bytes:
    """The batch with one byte changed, its checksum as before."""
    made = bytearray(raw)
    made[at] ^= 0xFF
    return bytes(made)


class Held:
    """A client that is assigned ``partitions``, all read up to offset 0; to be made in a running loop."""

    def __init__(self, *partitions: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        self.partitions = [TopicPartition(*partition) for partition in partitions]
        self.subscriptions = SubscriptionState(loop=loop)
        self.subscriptions.assign_from_user(self.partitions)
        self.fetcher = fetcher = object.__new__(Fetcher)
        fetcher.__dict__ |= {
            "_loop": loop,
            "_records": {},
            "_fetch_waiters": set(),
            "_fetch_max_wait_ms": 1_500,
            "_closed": False,
            "_fetch_task": loop.create_future(),
            "_wait_consume_future": None,
            "_isolation_level": READ_COMMITTED,
            "_subscriptions": self.subscriptions,
        }
        self.consumer: Any = SimpleNamespace(
            _fetcher=fetcher,
            _closed=False,
            seek=self.seek,
            pause=self.subscriptions.pause,
            resume=self.subscriptions.resume,
        )
        for partition in self.partitions:
            self.seek(partition, 0)
        self.client = AiokafkaClient(self.consumer)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """As the consumer does it."""
        self.fetcher.seek_to(partition, offset)

    def receive(
        self, partition: tuple[str, int], *batches: bytes, aborted: list[tuple[int, int]] | None = None
    ) -> None:
        """What a fetch at the partition's position has brought."""
        tp = TopicPartition(*partition)
        assignment = self.subscriptions.subscription.assignment
        unread = PartitionRecords(
            tp,
            MemoryRecords(b"".join(batches)),
            aborted or [],
            assignment.state_value(tp).position,
            None,
            None,
            True,
            READ_COMMITTED,
        )
        self.fetcher._records[tp] = FetchResult(tp, partition_records=unread, assignment=assignment, backoff=0.1)
        self._wake()

    def fail(self, partition: tuple[str, int], error: Exception) -> None:
        """What the client keeps in the place of records."""
        self.fetcher._records[TopicPartition(*partition)] = FetchError(error=error, backoff=0.1)
        self._wake()

    def _wake(self) -> None:
        for waiter in list(self.fetcher._fetch_waiters):
            self.fetcher._notify(waiter)


def offsets_taken(taken: Any) -> list[int]:
    """The offsets of the records that were taken out at once."""
    return [row.offset for row in taken.rows]
