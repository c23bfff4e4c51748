"""How far a consumer group is, asked of the brokers by librdkafka and not by the code under test."""

from __future__ import annotations

from confluent_kafka import Consumer, TopicPartition


def lag_of(bootstrap: str, topic: str, group: str) -> dict[int, int]:
    """By partition, the end offset less the committed one: what the group has not finished."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
    try:
        numbers = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        # The committed offsets first: what is written meanwhile then counts as lag, and never the other way round.
        committed = consumer.committed([TopicPartition(topic, number) for number in numbers], timeout=10)
        return {
            place.partition: consumer.get_watermark_offsets(place, timeout=10)[1] - max(0, place.offset)
            for place in committed
        }
    finally:
        consumer.close()
