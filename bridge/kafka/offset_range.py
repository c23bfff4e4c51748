"""Reads a stretch of a topic, by offsets or by time; nothing is committed, no group is joined."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition, errors

from bridge.kafka.batches.taking import position as position_of
from bridge.kafka.batches.taking import take
from bridge.kafka.connection import reader_options
from bridge.kafka.topics import ensure_topics, unreachable
from bridge.model.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bridge.settings import KafkaSettings

_ASK_AFTER: Final = 5
"""Seconds without a record after which the brokers are asked whether they are there."""
_SILENT: Final = 30
"""Seconds without a record before its end after which a reading is given up."""


class UnfinishedReadingError(KafkaError):
    """Records up to a known end offset did not come: what was read is not everything."""


async def records_in(consumer: Any, partition: TopicPartition, start: int, end: int) -> AsyncIterator[Any]:
    """The consumer's records of a partition from offset ``start`` up to ``end``, which is left out.

    It ends there and nowhere else, as the client's position passes what is no record too. Raises :class:`UnfinishedReadingError`, and
    :class:`bridge.kafka.batches.taking.UnreadablePlaceError` behind all that lies before what cannot be read.
    """
    if start >= end:
        return
    consumer.assign([partition])
    consumer.seek(partition, start)
    at, silent = -1, 0
    while (position := await _position(consumer, partition, max(start, at), end)) < end:
        if position < at:
            raise _unfinished(partition, at, end, "the log was cut or made again")
        at, silent = position, silent + 1 if position == at else 0
        if silent and silent % _ASK_AFTER == 0:
            await _ask(consumer, partition, at, end)
        if silent >= _SILENT:
            raise _unfinished(partition, at, end, f"no record came for {silent} s")
        for record in await take(consumer, partition, timeout_ms=1_000):
            if record.offset < end:
                yield record


async def _position(consumer: Any, partition: TopicPartition, at: int, end: int) -> int:
    """Where the client stands; it does not know while it looks for the beginning of a log of which ``at`` is gone."""
    try:
        async with asyncio.timeout(_SILENT):
            return await position_of(consumer, partition)
    except TimeoutError:
        raise _unfinished(partition, at, end, f"the brokers have not told for {_SILENT} s where it begins") from None


async def _ask(consumer: Any, partition: TopicPartition, at: int, end: int) -> None:
    """The client gives nothing while the brokers are away, too, and nothing of a log that ends earlier by now."""
    try:
        there = (await consumer.end_offsets([partition]))[partition]
    except (errors.KafkaError, OSError) as error:
        raise _unfinished(partition, at, end, f"the brokers do not answer ({type(error).__name__})") from error
    if there < end:
        raise _unfinished(partition, at, end, f"it ends at {there} now: the log was cut or made again")


def _unfinished(partition: TopicPartition, at: int, end: int, why: str) -> UnfinishedReadingError:
    return UnfinishedReadingError(
        f"{partition.topic}[{partition.partition}] was not read to its end, at offset {at} of {end}: {why}",
        hint="aep-bridge check says whether the brokers answer",
    )


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
