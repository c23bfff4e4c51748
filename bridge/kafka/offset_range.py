"""Reads a stretch of a topic, by offsets or by time; nothing is committed, no group is joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition, errors

from bridge.kafka.connection import reader_options
from bridge.kafka.topics import ensure_topics, unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bridge.settings import KafkaSettings

_EMPTY_POLLS: Final = 5
"""Seconds without a record before its end, from brokers that answer, end the reading of a partition: the rest is no records."""
_MORE_POLLS: Final = 2


async def records_in(consumer: Any, partition: TopicPartition, start: int, end: int) -> AsyncIterator[Any]:
    """The consumer's records of a partition from offset ``start`` up to ``end``, which is left out."""
    if start >= end:
        return
    consumer.assign([partition])
    consumer.seek(partition, start)
    empty, answered = 0, False
    while await consumer.position(partition) < end and empty < _EMPTY_POLLS:
        records = (await consumer.getmany(partition, timeout_ms=1_000)).get(partition, [])
        empty = 0 if records else empty + 1
        if records:
            answered = False
        elif empty == _EMPTY_POLLS and not answered:
            # The client gives nothing while the brokers are away, too: that is no end. This asks them, and raises when they stay away.
            await consumer.end_offsets([partition])
            empty, answered = _EMPTY_POLLS - _MORE_POLLS, True
        for record in records:
            if record.offset < end:
                yield record


async def records_between(kafka: KafkaSettings, since: int, until: int) -> AsyncIterator[Any]:
    """The event topic's records from the first one at ``since`` up to the first one after ``until``, partition by partition.

    Times are Kafka's timestamps in milliseconds. Raises ``KafkaError``, ``TopicMissing`` too.
    """
    count = (await ensure_topics(kafka, create=False, topics=[kafka.topic]))[kafka.topic]
    partitions = [TopicPartition(kafka.topic, number) for number in range(count)]
    consumer = AIOKafkaConsumer(**reader_options(kafka))
    try:
        await consumer.start()
        ends = await consumer.end_offsets(partitions)
        firsts = await consumer.offsets_for_times(dict.fromkeys(partitions, max(0, since)))
        lasts = await consumer.offsets_for_times(dict.fromkeys(partitions, max(0, until) + 1))
        for partition in partitions:
            if firsts[partition] is None:
                continue
            last = lasts[partition]
            end = ends[partition] if last is None else min(last.offset, ends[partition])
            async for record in records_in(consumer, partition, firsts[partition].offset, end):
                yield record
    except (errors.KafkaError, OSError) as error:
        raise unreachable(kafka, error) from error
    finally:
        await consumer.stop()
