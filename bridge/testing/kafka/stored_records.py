"""Read a whole topic back, as a test sees what is really stored."""

from __future__ import annotations

import time
from dataclasses import dataclass

from confluent_kafka import Consumer, TopicPartition

from bridge.testing.kafka.offsets import end_offsets, partitions_of


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """One record of a topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


def stored(bootstrap: str, topic: str, within: float = 30.0) -> list[TopicRecord]:
    """Every record of ``topic`` up to its present end, by partition and offset."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "enable.auto.commit": False,
            "allow.auto.create.topics": False,
            "fetch.message.max.bytes": 20_000_000,
        }
    )
    try:
        numbers = partitions_of(consumer, topic)
        ends = end_offsets(consumer, topic, numbers)
        consumer.assign([TopicPartition(topic, number, 0) for number in numbers])
        found: list[TopicRecord] = []
        deadline = time.monotonic() + within
        while len(found) < sum(ends.values()):
            assert time.monotonic() < deadline, f"{len(found)} of {sum(ends.values())} records read"
            message = consumer.poll(1.0)
            if message is not None and message.error() is None:
                headers = tuple(message.headers() or ())
                found.append(
                    TopicRecord(message.partition(), message.offset(), message.key(), message.value(), headers)
                )
        return sorted(found, key=lambda one: (one.partition, one.offset))
    finally:
        consumer.close()
