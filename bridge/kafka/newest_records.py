"""Reads the newest records of the topic, for who wants to see what would become of them; nothing is committed, no group is joined."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition, errors

from bridge.kafka.connection import client_options
from bridge.kafka.topics import ensure_topics, unreachable

if TYPE_CHECKING:
    from bridge.settings import KafkaSettings

_EMPTY_POLLS = 5
"""So many seconds without a record before its end end the reading of a partition: the rest is no records (markers, compacted)."""


async def newest_values(kafka: KafkaSettings, count: int, *, topic: str | None = None) -> list[tuple[int, bytes]]:
    """Timestamp (milliseconds) and value of the ``count`` newest records, in the order of their timestamps."""
    name = topic or kafka.topic
    partitions = [
        TopicPartition(name, n) for n in range((await ensure_topics(kafka, create=False, topics=[name]))[name])
    ]
    consumer = AIOKafkaConsumer(
        **client_options(kafka), group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    found: list[tuple[int, int, int, bytes]] = []
    try:
        await consumer.start()
        begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        for partition in partitions:
            start = max(begins[partition], ends[partition] - count)
            found += await _between(consumer, partition, start, ends[partition])
            found = heapq.nlargest(count, found)
    except (errors.KafkaError, OSError) as error:
        raise unreachable(kafka, error) from error
    finally:
        await consumer.stop()
    return [(at, value) for at, _, _, value in sorted(found)]


async def _between(consumer: Any, partition: TopicPartition, start: int, end: int) -> list[tuple[int, int, int, bytes]]:
    found: list[tuple[int, int, int, bytes]] = []
    if start >= end:
        return found
    consumer.assign([partition])
    consumer.seek(partition, start)
    empty = 0
    while await consumer.position(partition) < end and empty < _EMPTY_POLLS:
        records = (await consumer.getmany(partition, timeout_ms=1_000)).get(partition, [])
        empty = 0 if records else empty + 1
        found += [
            (record.timestamp, record.partition, record.offset, record.value)
            for record in records
            if record.offset < end and record.value is not None
        ]
    return found
