"""Reads the newest records of the topic, for who wants to see what would become of them; nothing is committed, no group is joined."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition, errors

from bridge.kafka.connection import reader_options
from bridge.kafka.offset_range import records_in
from bridge.kafka.topics import ensure_topics, unreachable
from bridge.model.dead_letter import is_xdm

if TYPE_CHECKING:
    from bridge.settings import KafkaSettings


async def newest_values(kafka: KafkaSettings, count: int, *, topic: str | None = None) -> list[tuple[int, bytes]]:
    """Timestamp (milliseconds) and value of the ``count`` newest records, in the order of their timestamps.

    What was replayed as XDM is left out: no mapping is applied to it.
    """
    name = topic or kafka.topic
    partitions = [
        TopicPartition(name, n) for n in range((await ensure_topics(kafka, create=False, topics=[name]))[name])
    ]
    consumer = AIOKafkaConsumer(**reader_options(kafka))
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
    return [
        (record.timestamp, record.partition, record.offset, record.value)
        async for record in records_in(consumer, partition, start, end)
        if record.value is not None and not is_xdm(record.headers)
    ]
