"""Topics in memory behind the publisher's producer: real batches, really compressed, and a broker that refuses what it is told to."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiokafka import errors
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from bridge.kafka.producer.producer_connection import BATCH_BYTES
from bridge.kafka.producer.publisher import KafkaPublisher
from bridge.settings import KafkaSettings

if TYPE_CHECKING:
    from collections.abc import Callable

_LZ4 = 3


class StubKafka:
    """``limits`` are bytes by topic; ``refuse`` gives for a record (topic, key, value) the error to refuse its batch with."""

    def __init__(self, *, topics: tuple[str, ...] = ("events", "dead"), partitions: int = 1) -> None:
        self.partitions = dict.fromkeys(topics, partitions)
        self.limits = dict.fromkeys(topics, 1_048_588)
        self.stored: dict[str, list[Any]] = {topic: [] for topic in topics}
        self.sends: list[tuple[str, int]] = []
        self.places: list[tuple[int, bytes | None]] = []
        self.refuse: Callable[[str, Any], Exception | None] = lambda _topic, _record: None
        self.limits_are_told = True
        self.hangs: set[tuple[str, int]] = set()
        self.cluster = SimpleNamespace(partitions_for_topic=self._known)
        self.refreshes = 0
        self.client = SimpleNamespace(cluster=self.cluster, force_metadata_update=self._refresh)
        self._sender = SimpleNamespace(sender_task=asyncio.get_running_loop().create_future())

    def _known(self, topic: str) -> set[int] | None:
        return set(range(self.partitions[topic])) if topic in self.partitions else None

    def _refresh(self) -> None:
        self.refreshes += 1

    async def stop(self) -> None:
        """As a producer's."""

    def create_batch(self) -> BatchBuilder:
        """A batch as the publisher's producer makes them."""
        return BatchBuilder(BATCH_BYTES, _LZ4)

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> asyncio.Future[None]:
        """Store the batch, or refuse it, as a broker does: as a whole."""
        built = bytes(batch._build())
        records = []
        memory = MemoryRecords(built)
        while (found := memory.next_batch()) is not None:
            records += list(found)
        self.sends.append((topic, len(records)))
        answer = asyncio.get_running_loop().create_future()
        if (topic, partition) in self.hangs:
            return answer
        refusals = [error for record in records if (error := self.refuse(topic, record)) is not None]
        if len(built) > self.limits[topic]:
            answer.set_exception(errors.MessageSizeTooLargeError())
        elif refusals:
            answer.set_exception(refusals[0])
        else:
            self.stored[topic] += records
            self.places += [(partition, record.key) for record in records]
            answer.set_result(None)
        return answer

    def values(self, topic: str) -> list[bytes]:
        """What is stored in a topic, in order."""
        return [record.value for record in self.stored[topic]]


def publisher_on(kafka: StubKafka, *, clock: Callable[[], float] = lambda: 0.0, **settings: Any) -> KafkaPublisher:
    """A publisher that is connected to it, and knows its limits as they are now."""
    made = KafkaPublisher(KafkaSettings(topic="events", dead_letter_topic="dead", **settings), clock=clock)

    async def told() -> dict[str, int]:
        return dict(kafka.limits) if kafka.limits_are_told else {}

    made._producer = kafka
    made._limits._told = told  # type: ignore[method-assign]
    made._limits._learn(kafka.limits if kafka.limits_are_told else {})
    made._limits._read_at = None
    return made
