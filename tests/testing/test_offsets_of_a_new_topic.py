"""What the harness asks librdkafka about a topic that was made just now."""

import os

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import NewTopic

from bridge.testing.kafka.admin import admin_client
from bridge.testing.kafka.offsets import committed_offsets, end_offsets, first_and_end, lag_of, partitions_of

PARTITIONS = 60


@pytest.mark.kafka
def test_it_waits_for_a_leader(kafka_broker) -> None:
    """Asked while the brokers still make the topic, each partition has its end offset in the end."""
    name = f"new-{os.urandom(4).hex()}"
    admin = admin_client(kafka_broker.bootstrap)
    made = admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name]
    reader = Consumer({"bootstrap.servers": kafka_broker.bootstrap, "group.id": name})
    try:
        assert end_offsets(reader, name, reversed(range(PARTITIONS))) == dict.fromkeys(range(PARTITIONS), 0)
    finally:
        reader.close()
        made.result(20)


@pytest.mark.kafka
def test_a_topic_that_is_not_there_is_no_empty_one(kafka) -> None:
    """Else nothing would be left to read in it, and everything would count as read."""
    reader = Consumer({"bootstrap.servers": kafka, "group.id": "nobody", "allow.auto.create.topics": False})
    try:
        with pytest.raises(KafkaException):
            partitions_of(reader, "nobody.made.this", within=0)
    finally:
        reader.close()


@pytest.mark.kafka
def test_a_group_that_never_was_has_everything_before_it(kafka, topic) -> None:
    """Also where the brokers make their topic of offsets for it first."""
    assert lag_of(kafka, topic(partitions=2), f"new-{os.urandom(4).hex()}") == {0: 0, 1: 0}


class _Answers:
    """A client that answers with each of these in turn."""

    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)

    def get_watermark_offsets(self, _place: TopicPartition, **_timeout: float) -> object:
        return self._next()

    def committed(self, _places: list[TopicPartition], **_timeout: float) -> object:
        return self._next()

    def _next(self) -> object:
        answer = self._answers.pop(0)
        if isinstance(answer, int):
            raise KafkaException(KafkaError(answer))
        return answer


def test_a_leader_to_come_is_waited_for() -> None:
    """A broker that does not lead the partition yet is asked again."""
    asked = _Answers(KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART, (3, 8))
    assert first_and_end(asked, TopicPartition("t", 0)) == (3, 8)


@pytest.mark.parametrize(
    ("code", "within"), [(KafkaError.TOPIC_AUTHORIZATION_FAILED, 20), (KafkaError.NOT_LEADER_FOR_PARTITION, -1)]
)
def test_anything_else_fails_at_once(code, within) -> None:
    """What waiting does not mend, or has not mended within its time, is an error."""
    with pytest.raises(KafkaException) as caught:
        first_and_end(_Answers(code, (0, 0)), TopicPartition("t", 0), within)
    assert caught.value.args[0].code() == code


def test_a_coordinator_to_come_is_waited_for() -> None:
    """A group whose coordinator is not known yet is asked for again; what waiting does not mend is an error."""
    asked = _Answers(KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR, [TopicPartition("t", 0, 7)])
    assert committed_offsets(asked, []) == [TopicPartition("t", 0, 7)]
    with pytest.raises(KafkaException):
        committed_offsets(_Answers(KafkaError.GROUP_AUTHORIZATION_FAILED, []), [])
    with pytest.raises(KafkaException):
        committed_offsets(_Answers(KafkaError.NOT_COORDINATOR, []), [], within=-1)
