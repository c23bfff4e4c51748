"""Sends batches to topics that are known only: asking for a topic by name would make the client forget all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka.errors import UnknownTopicOrPartitionError

if TYPE_CHECKING:
    import asyncio

    from aiokafka import AIOKafkaProducer


class KnownTopics:
    """What a lane needs of the producer, without its way of looking for a topic that is not there.

    aiokafka asks for the topics it was told to track, or for all while it was told of none. ``send_batch`` to a topic that
    has gone tells it of that one: from then on it knows no other, for as long as it lives, and its question creates the
    topic where brokers do that.
    """

    __slots__ = ("_producer",)

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    def create_batch(self) -> Any:
        """A new ``BatchBuilder``."""
        return self._producer.create_batch()

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> asyncio.Future[Any]:
        """Queue a batch; ``UnknownTopicOrPartitionError`` at once when the topic is not there."""
        client = self._producer.client
        if client.cluster.partitions_for_topic(topic) is None:
            client.force_metadata_update()
            raise UnknownTopicOrPartitionError(f"no such topic: {topic}")
        # Nothing is awaited between the look above and the same look within.
        future: asyncio.Future[Any] = await self._producer.send_batch(batch, topic, partition=partition)
        return future
