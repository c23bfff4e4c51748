"""Reads a route's state topic from given offsets to its end: millions of keys in seconds, and never more than a batch in memory."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition, errors

from bridge.kafka.batches.taking import UnreadablePlaceError
from bridge.kafka.connection import reader_options
from bridge.kafka.consumer.client.aiokafka_client import AiokafkaClient
from bridge.kafka.topics import TopicMissing, ensure_topics, unreachable
from bridge.model.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from bridge.settings import KafkaSettings

_AT_ONCE: Final = 2_000
_FETCH_BYTES: Final = 4_000_000
_SILENT_SECONDS: Final = 30.0
"""Seconds for which nothing may come of what is known to be there."""
_STOP_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class StateBatch:
    """Records of one partition in their order: offset, key and value, None where the key is forgotten.

    ``next_offset`` is where reading goes on. ``anew``: the topic was made again or cut, and what was read of it before is gone.
    """

    partition: int
    next_offset: int
    records: Sequence[tuple[int, bytes, bytes | None]]
    anew: bool = False

    @property
    def entries(self) -> Sequence[tuple[bytes, bytes | None]]:
        """Keys and values alone."""
        return [(key, value) for _, key, value in self.records]


class StateReader:
    """A consumer without a group, while entered. ``KafkaError`` says why it cannot read; ``partitions`` is how many the topic has."""

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        self._kafka = kafka
        self._topic = topic
        self._consumer: Any = None
        self.partitions = 0

    async def __aenter__(self) -> Self:
        await self._find()
        self._consumer = AIOKafkaConsumer(
            **reader_options(self._kafka),
            max_partition_fetch_bytes=_FETCH_BYTES,
        )
        try:
            await self._consumer.start()
        except (errors.KafkaError, OSError) as error:
            await self._close()
            raise unreachable(self._kafka, error) from error
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def _find(self) -> None:
        try:
            found = await ensure_topics(self._kafka, create=False, topics=(self._topic,))
        except TopicMissing as error:
            raise TopicMissing(
                str(error), hint="the worker of the route makes it when it starts for the first time"
            ) from None
        self.partitions = found[self._topic]

    async def _close(self) -> None:
        # Towards brokers that are gone it would wait for as long as a request may take.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self._consumer.stop()

    async def ends(self) -> dict[int, int]:
        """By partition the offset behind its last record."""
        return await self._ends(range(self.partitions))

    async def _ends(self, partitions: Any) -> dict[int, int]:
        with _told(self._kafka):
            found = await self._consumer.end_offsets([TopicPartition(self._topic, number) for number in partitions])
        return {tp.partition: offset for tp, offset in found.items()}

    async def read(
        self, since: Mapping[int, int] | None = None, upto: Mapping[int, int] | None = None
    ) -> AsyncIterator[StateBatch]:
        """What lies from ``since`` (by partition; default: of all partitions the beginning) up to ``upto`` (default: their ends now)."""
        since = dict.fromkeys(range(self.partitions), 0) if since is None else since
        ends = await self._ends(since) if upto is None else upto
        wanted = {TopicPartition(self._topic, number): number for number in since}
        with _told(self._kafka):
            begins = await self._consumer.beginning_offsets(list(wanted))
        self._consumer.assign(list(wanted))
        anew = {number for number, offset in since.items() if offset > ends[number]}
        left: dict[TopicPartition, int] = {}
        for partition, number in wanted.items():
            offset = begins[partition] if number in anew else max(since[number], begins[partition])
            self._consumer.seek(partition, offset)
            if number in anew:
                yield StateBatch(number, offset, (), anew=True)
            if offset < ends[number]:
                left[partition] = ends[number]
        client = AiokafkaClient(self._consumer)
        for partition in wanted.keys() - left.keys():
            client.pause(tuple(partition))
        while left:
            read = False
            for partition in list(left):
                batch = self._poll(client, partition, left[partition])
                if batch is None:
                    continue
                read = True
                if batch.next_offset >= left[partition]:
                    del left[partition]
                    client.pause(tuple(partition))
                if batch.records:
                    yield batch
            if not read and left:
                await self._arrival(client)

    def _poll(self, client: AiokafkaClient, partition: TopicPartition, end: int) -> StateBatch | None:
        taken = client.poll(tuple(partition), _AT_ONCE)
        if taken is None:
            return None
        if taken.error is not None and not taken.rows:
            if taken.damaged:
                raise UnreadablePlaceError(partition, taken.end, taken.error)
            raise unreachable(self._kafka, taken.error)
        if taken.end == taken.start:
            return None
        records = [(row.offset, row.key, row.value) for row in taken.rows if row.key is not None and row.offset < end]
        # Records behind the end were fetched along; who reads on from here later is to get them then.
        return StateBatch(partition.partition, min(taken.end, end), records)

    async def _arrival(self, client: AiokafkaClient) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + _SILENT_SECONDS
        while not client.holds():
            if loop.time() >= until:
                raise KafkaError(f"no records come from {self._topic}, although it holds more ({_SILENT_SECONDS:g} s)")
            with _told(self._kafka):
                await client.arrival(0.5)


@contextlib.contextmanager
def _told(kafka: KafkaSettings) -> Any:
    """The client's errors in our words."""
    try:
        yield
    except (errors.KafkaError, OSError) as error:
        raise unreachable(kafka, error) from error
