"""The replay of dead letters on a real Kafka whose groups' coordinator takes its time."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient

from bridge.kafka.dead_letters.replay import replay
from bridge.kafka.dead_letters.stored_letters import Filter
from bridge.kafka.producer.publisher import KafkaPublisher
from bridge.settings import KafkaSettings
from bridge.sources.moengage.decoder import DECODER

pytestmark = pytest.mark.kafka


async def _letters(kafka, dead, source, *, partitions, count):
    # On a slow machine an answer may come too late, and the letter would be sent and counted once more.
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for number in range(count):
            headers = [
                ("bridge.stage", b"deliver"),
                ("bridge.code", b"aep_400"),
                ("bridge.reason", b"refused"),
                ("bridge.topic", source.encode()),
            ]
            value = b'{"event_uuid": "%d", "event_code": "Test"}' % number
            await producer.send_and_wait(dead, value, key=b"k", headers=headers, partition=number % partitions)
    finally:
        await producer.stop()


async def test_a_slow_coordinator_does_not_end_a_replay(kafka, topic, monkeypatch):
    """Partition after partition is read while the coordinator of the replay's group is still looked up; its marks are kept all the same."""
    source, dead = topic(partitions=1), topic("dead", partitions=3)
    settings = KafkaSettings(bootstrap_servers=kafka, topic=source, dead_letter_topic=dead, group=source)
    await _letters(kafka, dead, source, partitions=3, count=30)
    looked_up = AIOKafkaClient.coordinator_lookup

    async def late(self, kind, group):
        await asyncio.sleep(0.7)
        return await looked_up(self, kind, group)

    monkeypatch.setattr(AIOKafkaClient, "coordinator_lookup", late)
    assert (await replay(settings, None, Filter(), DECODER)).sent.total() == 30
    async with KafkaPublisher(settings) as publisher:
        await publisher.connected(within=60)
        assert (await replay(settings, publisher, Filter(), DECODER, most=5)).sent.total() == 5
        assert (await replay(settings, publisher, Filter(code="aep_400"), DECODER)).sent.total() == 25
    again = await replay(settings, None, Filter(), DECODER)
    assert (again.sent.total(), again.before) == (0, 30)
