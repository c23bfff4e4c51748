"""Dead letters as they arrive, from the beginning of their topic; for who watches, nothing is committed."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer

from bridge.kafka.batches.decompression import bound_client
from bridge.model.dead_letter import DeadLetter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def follow_letters(bootstrap: str, topic: str) -> AsyncIterator[AsyncIterator[DeadLetter]]:
    """Every letter of a topic on brokers that ask for no credentials, without an end; the consumer is connected while entered."""
    bound_client()
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        yield _letters(consumer)
    finally:
        await consumer.stop()


async def _letters(consumer: Any) -> AsyncIterator[DeadLetter]:
    async for record in consumer:
        yield DeadLetter.from_headers(record.key, record.value, record.headers)
