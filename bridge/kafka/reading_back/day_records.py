"""Reads whole days of the event topic for a count: where its partitions stand, and their records; no group is joined."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition, errors

from bridge.kafka.batches.taking import UnreadablePlaceError
from bridge.kafka.connection import reader_options
from bridge.kafka.offset_range import records_in
from bridge.kafka.topics import ensure_topics, unreachable
from bridge.model.day_counts import DAY_MS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from bridge.settings import KafkaSettings

LATE_MS: Final = 3_600_000
"""Records may carry the time of their writers: from this long before a day on one looks for records of it."""


@dataclass(frozen=True, slots=True)
class HeldRange:
    """What a partition holds: offsets from ``first`` to before ``end``, and ``start``, from where on the asked days may lie.

    ``first_day`` is the day of its first record; None where the partition is empty.
    """

    first: int
    end: int
    start: int
    first_day: int | None


class DayRecords:
    """The event topic's partitions, as they stood when it was opened."""

    def __init__(self, consumer: Any, topic: str, held: Mapping[int, HeldRange]) -> None:
        self._consumer = consumer
        self._topic = topic
        self.held = held

    async def records(self, partition: int, start: int) -> AsyncIterator[Any]:
        """The partition's records from an offset on, those of aborted transactions left out.

        Raises :class:`bridge.kafka.batches.taking.UnreadablePlaceError`, and
        :class:`bridge.kafka.offset_range.UnfinishedReadingError` where they do not come.
        """
        place = TopicPartition(self._topic, partition)
        async for record in records_in(self._consumer, place, start, self.held[partition].end):
            yield record


@asynccontextmanager
async def open_days(kafka: KafkaSettings, since_day: int) -> AsyncIterator[DayRecords]:
    """The topic's records of a day (number since 1970) and all that follow. Raises ``KafkaError``, ``TopicMissing`` too."""
    count = (await ensure_topics(kafka, create=False, topics=[kafka.topic]))[kafka.topic]
    partitions = [TopicPartition(kafka.topic, number) for number in range(count)]
    consumer = AIOKafkaConsumer(
        **reader_options(kafka),
        isolation_level="read_committed",
    )
    try:
        await consumer.start()
        ends = await consumer.end_offsets(partitions)
        firsts = await consumer.beginning_offsets(partitions)
        times = await consumer.offsets_for_times(dict.fromkeys(partitions, max(0, since_day * DAY_MS - LATE_MS)))
        held = {}
        for place in partitions:
            found = times[place]
            start = ends[place] if found is None else max(firsts[place], found.offset)
            first_day = await _day_of_first(consumer, place, firsts[place], ends[place])
            held[place.partition] = HeldRange(firsts[place], ends[place], start, first_day)
        yield DayRecords(consumer, kafka.topic, held)
    except (errors.KafkaError, OSError) as error:
        raise unreachable(kafka, error) from error
    finally:
        await consumer.stop()


async def _day_of_first(consumer: Any, place: TopicPartition, first: int, end: int) -> int | None:
    try:
        async for record in records_in(consumer, place, first, end):
            return int(record.timestamp) // DAY_MS
    except UnreadablePlaceError:
        return None  # it is told when the records themselves are read
    return None
