"""What of a route's topic is not acknowledged yet: from the group's commit to the end of each partition."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition, errors

from bridge.kafka.connection import reader_options
from bridge.kafka.group_offsets import group_offsets
from bridge.kafka.offset_range import records_in
from bridge.kafka.topics import admin, ensure_topics, unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from bridge.settings import KafkaSettings

_PAGE: Final = 2_000


class Span(NamedTuple):
    """Records of a partition from ``start`` up to ``end``, which is left out."""

    start: int
    end: int

    @property
    def records(self) -> int:
        """How many at most."""
        return max(0, self.end - self.start)


class UnderWay:
    """Looks at the topic of events beside its consumer group, while entered. ``KafkaError`` says why it cannot."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._consumer: Any = None
        self._admin: Any = None
        self._stack = contextlib.AsyncExitStack()
        self._partitions: list[TopicPartition] = []

    async def __aenter__(self) -> Self:
        topic = self._kafka.topic
        count = (await ensure_topics(self._kafka, create=False, topics=[topic]))[topic]
        self._partitions = [TopicPartition(topic, number) for number in range(count)]
        self._admin = await self._stack.enter_async_context(admin(self._kafka))
        self._consumer = AIOKafkaConsumer(**reader_options(self._kafka))
        self._stack.push_async_callback(self._consumer.stop)
        try:
            await self._consumer.start()
        except (errors.KafkaError, OSError) as error:
            await self._stack.aclose()
            raise unreachable(self._kafka, error) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def spans(self) -> dict[int, Span]:
        """By partition what is not acknowledged now."""
        try:
            # Asked first: what is acknowledged meanwhile counts as not.
            committed = await group_offsets(self._kafka, self._admin, self._kafka.group, self._partitions)
            firsts = await self._consumer.beginning_offsets(self._partitions)
            ends = await self._consumer.end_offsets(self._partitions)
        except (errors.KafkaError, OSError) as error:
            raise unreachable(self._kafka, error) from error
        found: dict[int, Span] = {}
        for partition in self._partitions:
            found[partition.partition] = Span(max(firsts[partition], committed[partition].offset), ends[partition])
        return found

    async def headers(self, spans: Mapping[int, Span]) -> AsyncIterator[list[Any]]:
        """The headers of the records in these spans, in pages."""
        page: list[Any] = []
        try:
            for partition in self._partitions:
                span = spans[partition.partition]
                async for record in records_in(self._consumer, partition, span.start, span.end):
                    page.append(record.headers)
                    if len(page) >= _PAGE:
                        yield page
                        page = []
        except (errors.KafkaError, OSError) as error:
            raise unreachable(self._kafka, error) from error
        if page:
            yield page
