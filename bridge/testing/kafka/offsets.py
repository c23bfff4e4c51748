"""How far a topic and a consumer group are, asked of the brokers by librdkafka and not by the code under test."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Set as AbstractSet

_LOOK_SECONDS = 0.05
_COORDINATOR_TO_COME = {
    # The topic of offsets is made when the first group is asked for, and has no leader right after a start.
    KafkaError._WAIT_COORD,  # noqa: SLF001 - the library names so what it has found out itself
    KafkaError._TIMED_OUT,  # noqa: SLF001
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NOT_COORDINATOR,
}
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


def partitions_of(consumer: Consumer, topic: str, within: float = 20.0) -> list[int]:
    """The partitions of a topic; waits ``within`` seconds until the broker that is asked knows it: none would mean nothing to read."""
    deadline = time.monotonic() + within
    while True:
        found = consumer.list_topics(topic, timeout=10).topics[topic]
        if found.partitions:
            return sorted(found.partitions)
        if time.monotonic() > deadline:
            raise KafkaException(found.error)
        time.sleep(_LOOK_SECONDS)


def first_and_end(consumer: Consumer, place: TopicPartition, within: float = 20.0) -> tuple[int, int]:
    """The first offset that a partition holds and the one after its last; waits ``within`` seconds for a leader."""
    first, end = _once_there(lambda: consumer.get_watermark_offsets(place, timeout=10), _LEADER_TO_COME, within)
    return int(first), int(end)


def end_offsets(consumer: Consumer, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    """By partition, the offset after the last record."""
    return {number: first_and_end(consumer, TopicPartition(topic, number))[1] for number in partitions}


def committed_offsets(consumer: Consumer, places: list[TopicPartition], within: float = 20.0) -> list[TopicPartition]:
    """What the consumer's group has committed; waits ``within`` seconds for the group's coordinator."""
    return list(_once_there(lambda: consumer.committed(places, timeout=10), _COORDINATOR_TO_COME, within))


def _once_there(ask: Callable[[], Any], passing: AbstractSet[int], within: float) -> Any:
    """The answer; errors with the codes ``passing`` are waited out for ``within`` seconds, any other is raised at once."""
    deadline = time.monotonic() + within
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in passing or time.monotonic() > deadline:
                raise
        time.sleep(_LOOK_SECONDS)


def lag_of(bootstrap: str, topic: str, group: str) -> dict[int, int]:
    """By partition, the end offset less the committed one: what the group has not finished."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
    try:
        numbers = partitions_of(consumer, topic)
        # The committed offsets first: what is written meanwhile then counts as lag, and never the other way round.
        committed = committed_offsets(consumer, [TopicPartition(topic, number) for number in numbers])
        ends = end_offsets(consumer, topic, numbers)
        return {place.partition: ends[place.partition] - max(0, place.offset) for place in committed}
    finally:
        consumer.close()
