"""A stretch of a topic on a real Kafka whose last offsets are no records: the client's position passes them, so that it ends without a wait."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer

from bridge.kafka.offset_range import records_in

pytestmark = pytest.mark.kafka


def _transactions(kafka, name):
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": f"{name}.writer"})
    producer.init_transactions(60)
    for end in (producer.commit_transaction, producer.abort_transaction):
        producer.begin_transaction()
        for _ in range(3):
            producer.produce(name, value=b"{}", partition=0)
        producer.flush(60)
        end(60)


async def _end_behind_the_markers(consumer, place):
    """A coordinator confirms the end of a transaction first, and writes its marker then."""
    async with asyncio.timeout(60):
        while (end := (await consumer.end_offsets([place]))[place]) < 8:  # noqa: ASYNC110 - the brokers tell nobody
            await asyncio.sleep(0.05)
    return end


@pytest.mark.parametrize(
    ("isolation", "read"), [("read_committed", [0, 1, 2]), ("read_uncommitted", [0, 1, 2, 4, 5, 6])]
)
async def test_markers_and_aborted_records_at_the_end_are_passed(kafka, topic, isolation, read):
    """Three records, a marker, three that are aborted, another marker: eight offsets, whoever reads."""
    name = topic(partitions=1)
    await asyncio.to_thread(_transactions, kafka, name)
    place = TopicPartition(name, 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, group_id=None, auto_offset_reset="earliest", isolation_level=isolation
    )
    await consumer.start()
    try:
        end = await _end_behind_the_markers(consumer, place)
        # Where the position did not pass them it would be an error, and that after thirty seconds alone.
        async with asyncio.timeout(25):
            found = [record.offset async for record in records_in(consumer, place, 0, end)]
    finally:
        await consumer.stop()
    assert (end, found) == (8, read)
