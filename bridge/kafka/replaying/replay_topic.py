"""The event topic as a replay sees it: where its range lies in each partition, the records, and how far it has come."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition, errors

from bridge.kafka.connection import reader_options
from bridge.kafka.group_offsets import OffsetKeeper
from bridge.kafka.offset_range import records_in
from bridge.kafka.reading_back.noted_offsets import noted_offsets
from bridge.kafka.replaying.range_marks import group_of_replay, range_marks
from bridge.kafka.topics import ensure_topics, unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from bridge.kafka.replaying.range_marks import RangeMark, ReplayAsked
    from bridge.settings import KafkaSettings

PAGE: Final = 500
"""Records that are sent together, and repeated at most when a replay was killed between them and their mark."""


@dataclass(frozen=True, slots=True)
class TopicSpan:
    """Where the range lies in a partition: delivered offsets from ``start`` to before ``end``, and ``log_end``.

    ``waiting``: records of the range that are not delivered yet, at most. ``held_since``: the time of the first record that is still
    there, where earlier ones of the range have been deleted; else None.
    """

    start: int
    end: int
    log_end: int
    waiting: int = 0
    held_since: int | None = None


class ReplayTopic:
    """Reads the range and keeps the marks, while entered. ``KafkaError`` says why it cannot, ``TopicMissing`` too."""

    def __init__(self, kafka: KafkaSettings, asked: ReplayAsked) -> None:
        self._kafka = kafka
        self._asked = asked
        self._consumer = self._made()
        self._beside = self._made()
        self._partitions: list[TopicPartition] = []
        self._keeper: OffsetKeeper | None = None

    def _made(self) -> Any:
        return AIOKafkaConsumer(
            **reader_options(self._kafka),
            isolation_level="read_committed",
        )

    async def __aenter__(self) -> Self:
        count = (await ensure_topics(self._kafka, create=False, topics=[self._kafka.topic]))[self._kafka.topic]
        self._partitions = [TopicPartition(self._kafka.topic, number) for number in range(count)]
        try:
            with self._named():
                await self._consumer.start()
                await self._beside.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()
        await self._beside.stop()
        if self._keeper is not None:
            await self._keeper.__aexit__()

    @contextlib.contextmanager
    def _named(self) -> Any:
        try:
            yield
        except (errors.KafkaError, OSError) as error:
            raise unreachable(self._kafka, error) from error

    async def spans(self) -> dict[int, TopicSpan]:
        """By partition where the range lies now."""
        # Asked first: what is delivered meanwhile counts as waiting.
        delivered = await noted_offsets(self._kafka)
        with self._named():
            firsts = await self._consumer.beginning_offsets(self._partitions)
            ends = await self._consumer.end_offsets(self._partitions)
            sinces = await self._consumer.offsets_for_times(dict.fromkeys(self._partitions, max(0, self._asked.since)))
            untils = await self._consumer.offsets_for_times(dict.fromkeys(self._partitions, max(0, self._asked.until)))
        found = {}
        for place in self._partitions:
            first, log_end = firsts[place], ends[place]
            start = log_end if sinces[place] is None else max(first, sinces[place].offset)
            end = log_end if untils[place] is None else min(untils[place].offset, log_end)
            noted = delivered.get(place.partition)
            settled = first if noted is None else noted.offset
            found[place.partition] = TopicSpan(
                start,
                max(start, min(end, settled)),
                log_end,
                waiting=max(0, end - max(start, settled)),
                held_since=await self._held_since(place, first, log_end) if first > 0 and start == first else None,
            )
        return found

    async def _held_since(self, place: TopicPartition, first: int, log_end: int) -> int | None:
        """The time of the first record, where that is later than the begin of the range."""
        with self._named():
            async for record in records_in(self._beside, place, first, log_end):
                return int(record.timestamp) if record.timestamp > self._asked.since else None
        return None

    async def marks(self) -> dict[int, RangeMark]:
        """How far it has come, by partition; nothing where it has not begun."""
        return await range_marks(self._kafka, self._asked)

    async def pages(self, partition: int, start: int, end: int, *, most: int = PAGE) -> AsyncIterator[list[Any]]:
        """The records from ``start`` to before ``end``, page by page. Raises ``KafkaError`` where they do not come."""
        async for page in self._pages(self._consumer, partition, start, end, most):
            yield page

    async def added(self, partition: int, start: int) -> tuple[list[Any], int]:
        """What was written from ``start`` on up to now, and the offset behind it; beside :meth:`pages`."""
        place = TopicPartition(self._kafka.topic, partition)
        with self._named():
            end = (await self._beside.end_offsets([place]))[place]
        found: list[Any] = []
        async for page in self._pages(self._beside, partition, start, end, PAGE):
            found += page
        return found, max(start, end)

    async def _pages(self, consumer: Any, partition: int, start: int, end: int, most: int) -> AsyncIterator[list[Any]]:
        if start >= end:
            return
        place = TopicPartition(self._kafka.topic, partition)
        page: list[Any] = []
        with self._named():
            async for record in records_in(consumer, place, start, end):
                page.append(record)
                if len(page) >= most:
                    yield page
                    page = []
        if page:
            yield page

    async def keep(self, marks: Mapping[int, RangeMark]) -> None:
        """Commit how far the replay has come; all at once."""
        if self._keeper is None:
            self._keeper = OffsetKeeper(self._kafka, group_of_replay(self._kafka, self._asked), self._partitions)
        await self._keeper.keep(
            {
                TopicPartition(self._kafka.topic, partition): (mark.upto, mark.note(self._asked))
                for partition, mark in marks.items()
            }
        )
