"""How far a topic and a consumer group are, asked of the brokers by librdkafka and not by the code under test."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterable

# The metadata of a topic that was made just now, or whose leader changes, runs ahead of the brokers that are to lead it.
_LEADER_TO_COME = {
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - the library names so what it has found out itself
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.KAFKA_STORAGE_ERROR,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE,
}

# A young cluster makes the topic of offsets when the first group asks for it, and reads it before it answers.
_COORDINATOR_TO_COME = {
    KafkaError._TIMED_OUT,  # noqa: SLF001 - as above
    KafkaError._WAIT_COORD,  # noqa: SLF001
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NOT_COORDINATOR,
}


def first_and_end(consumer: Consumer, place: TopicPartition, within: float = 20.0) -> tuple[int, int]:
    """The first offset that a partition holds and the one after its last; waits ``within`` seconds for a leader."""
    deadline = time.monotonic() + within
    while True:
        try:
            first, end = consumer.get_watermark_offsets(place, timeout=10)
            return int(first), int(end)
        except KafkaException as error:
            if error.args[0].code() not in _LEADER_TO_COME or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def end_offsets(consumer: Consumer, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    """By partition, the offset after the last record."""
    return {number: first_and_end(consumer, TopicPartition(topic, number))[1] for number in partitions}


def committed_of(consumer: Consumer, places: list[TopicPartition], within: float = 20.0) -> list[TopicPartition]:
    """What the group has committed; waits ``within`` seconds for a broker that keeps the group's offsets."""
    deadline = time.monotonic() + within
    while True:
        try:
            return list(consumer.committed(places, timeout=10))
        except KafkaException as error:
            if error.args[0].code() not in _COORDINATOR_TO_COME or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def lag_of(bootstrap: str, topic: str, group: str) -> dict[int, int]:
    """By partition, the end offset less the committed one: what the group has not finished."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
    try:
        numbers = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        # The committed offsets first: what is written meanwhile then counts as lag, and never the other way round.
        committed = committed_of(consumer, [TopicPartition(topic, number) for number in numbers])
        ends = end_offsets(consumer, topic, numbers)
        return {place.partition: ends[place.partition] - max(0, place.offset) for place in committed}
    finally:
        consumer.close()
