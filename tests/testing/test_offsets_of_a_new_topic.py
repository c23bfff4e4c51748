"""What the harness asks librdkafka about a topic that was made just now."""

import os

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import NewTopic

from bridge.testing.kafka.admin import admin_client
from bridge.testing.kafka.offsets import end_offsets, first_and_end

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


class _Answers:
    """A client that answers with each of these in turn."""

    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)

    def get_watermark_offsets(self, _place: TopicPartition, **_timeout: float) -> tuple[int, int]:
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
