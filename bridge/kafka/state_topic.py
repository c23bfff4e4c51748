"""The bridge's own small state in Kafka: one compacted topic, read whole when an assignment begins.

It is a safety net, so nothing waits for it for long: without it work goes on, and its absence is told.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition, errors
from aiokafka.admin import NewTopic

from bridge.kafka.batches.taking import named_places
from bridge.kafka.connection import reader_options
from bridge.kafka.topics import LeaderMissing, TopicMissing, admin, ensure_topics, unreachable
from bridge.model.errors import KafkaError
from bridge.settings import variable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from bridge.model.ports import Publisher
    from bridge.model.record import Record
    from bridge.settings import KafkaSettings

_log = structlog.get_logger(__name__)
_PATIENCE_SECONDS: Final = 5.0
_HELLO: Final = b"format"
STATE_CONFIG: Final = {
    "cleanup.policy": "compact",
    # The segment that is written to is not compacted, and the whole topic is read at each assignment.
    "segment.ms": "3600000",
    "min.cleanable.dirty.ratio": "0.1",
}


class StateTopic:
    """Reads and writes the state topic. ``KafkaError`` says why it cannot be used."""

    def __init__(self, kafka: KafkaSettings, publisher: Publisher, partitions: int = 0) -> None:
        self._kafka = kafka
        self._publisher = publisher
        self._name = kafka.state_topic
        self._partitions = partitions

    async def open(self) -> None:
        """Find the topic, made where topics are made, and write to it once."""
        async with _bounded("the state topic cannot be used in time"):
            self._partitions = await self._found()
            while True:
                try:
                    await self._publisher.publish([(_HELLO, b'{"version":1}', ())], topic=self._name)
                except KafkaError as error:
                    # The producer learns of a topic that was just made a moment later; nothing was sent.
                    if "no such topic" not in str(error):
                        raise
                    await asyncio.sleep(0.2)
                else:
                    return

    async def _found(self) -> int:
        made = False
        while True:
            try:
                return (await ensure_topics(self._kafka, create=False, topics=(self._name,)))[self._name]
            except LeaderMissing:
                if not made:  # a topic has no leader at first
                    raise
            except TopicMissing:
                if not self._kafka.create_topics:
                    raise KafkaError(f"no such topic: {self._name}", hint=self._how_to_make()) from None
                await self._create()
                made = True
            await asyncio.sleep(0.2)

    async def _create(self) -> None:
        async with admin(self._kafka) as client:
            new = NewTopic(self._name, 1, self._kafka.replication_factor, topic_configs=dict(STATE_CONFIG))
            for _, code, *_more in (await client.create_topics([new])).topic_errors:
                if code == 0:
                    _log.info(
                        "topic_created",
                        detail="The topic was missing and has been created.",
                        topic=self._name,
                        partitions=1,
                    )
                elif code != errors.TopicAlreadyExistsError.errno:
                    raise KafkaError(f"the topic {self._name} cannot be created: {errors.for_code(code).__name__}")

    async def read(self) -> Mapping[bytes, bytes]:
        """The newest value of each key, all that was written before this call included."""
        if not self._partitions:
            # It could not be used when the worker began.
            await self.open()
        consumer = AIOKafkaConsumer(**reader_options(self._kafka))
        try:
            async with _bounded("the state topic cannot be read in time"):
                await consumer.start()
                return await self._all(consumer)
        except (errors.KafkaError, OSError) as error:
            raise unreachable(self._kafka, error) from error
        finally:
            # Towards brokers that are gone it would wait for as long as a request may take.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await consumer.stop()

    async def _all(self, consumer: Any) -> Mapping[bytes, bytes]:
        partitions = [TopicPartition(self._name, number) for number in range(self._partitions)]
        consumer.assign(partitions)
        begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        left = {partition for partition in partitions if begins[partition] < ends[partition]}
        found: dict[bytes, bytes] = {}
        while left:
            with named_places(consumer, left):
                taken = await consumer.getmany(*left, timeout_ms=200)
            for records in taken.values():
                found.update((record.key, record.value or b"") for record in records if record.key is not None)
            left = {partition for partition in left if await consumer.position(partition) < ends[partition]}
        return found

    async def write(self, values: Mapping[bytes, bytes | None]) -> None:
        """Store these values by their keys, together; None forgets a key. Return when they are confirmed."""
        async with _bounded("the state topic cannot be written in time"):
            await self._publisher.publish([(key, value, ()) for key, value in values.items()], topic=self._name)

    def _how_to_make(self) -> str:
        options = " ".join(f"--config {name}={value}" for name, value in STATE_CONFIG.items())
        return (
            f"set {variable('kafka', 'create_topics')}=true, or: kafka-topics.sh --bootstrap-server"
            f" {self._kafka.bootstrap_servers[0]} --create --topic {self._name} --partitions 1"
            f" --replication-factor {self._kafka.replication_factor} {options}"
        )


class _Reader:
    """In the place of a publisher, for who only reads."""

    async def publish(self, _records: Sequence[Record], *, topic: str | None = None) -> None:
        """Refused."""
        raise KafkaError(f"the topic {topic} is only read here")

    def limit(self, _topic: str) -> int:
        """Nothing is written."""
        return 0


async def stored_state(kafka: KafkaSettings) -> Mapping[bytes, bytes]:
    """The newest value of each key of the state topic, for who only reads; nothing where the topic is not there (yet)."""
    try:
        partitions = await ensure_topics(kafka, create=False, topics=(kafka.state_topic,))
    except TopicMissing:
        return {}
    return await StateTopic(kafka, _Reader(), partitions[kafka.state_topic]).read()


@asynccontextmanager
async def _bounded(words: str) -> AsyncIterator[None]:
    """``KafkaError`` with these words when the block takes too long."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            yield
    except TimeoutError:
        raise KafkaError(f"{words} ({_PATIENCE_SECONDS:g} s)") from None
