"""The question for a topic's identity and its answers, byte by byte as Kafka's protocol has them (Metadata, version 12)."""

import asyncio
from io import BytesIO

import pytest
from aiokafka.errors import KafkaConnectionError
from virtual_delivery import VirtualLoop

from bridge.kafka.topic_identity import ABSENT, _MetadataRequest, topic_identity

IDENTITY = bytes(range(1, 17))
TOPIC = "events"
WITH_TWELVE = {3: (0, 12)}


def _string(text):
    return bytes([len(text) + 1]) + text.encode()


def _answer(*topics):
    """An answer with one broker and these topics (code, identity), each with one partition."""
    partition = bytes([0, 1, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 6, 2, 0, 0, 0, 1, 2, 0, 0, 0, 1, 1, 0])
    broker = (1).to_bytes(4) + _string("localhost") + (9092).to_bytes(4) + b"\0" + b"\0"
    each = [
        code.to_bytes(2) + _string(TOPIC) + identity + b"\0" + bytes([2]) + partition + (0).to_bytes(4) + b"\0"
        for code, identity in topics
    ]
    return (
        (0).to_bytes(4)
        + bytes([2])
        + broker
        + _string("cluster")
        + (1).to_bytes(4)
        + bytes([len(topics) + 1])
        + b"".join(each)
        + b"\0"
    )


class _Client:
    """A client whose broker answers with these bytes, as it is told, or never."""

    def __init__(self, answer=b"", *, versions=None, fails=None, seconds=0.0):
        self._answer, self._versions, self._fails, self._seconds = answer, versions or WITH_TWELVE, fails, seconds
        self.asked = []

    async def send(self, node, request):
        made = request.prepare(self._versions)
        self.asked.append((node, made.build_request_header(7, "me").encode() + made.encode()))
        await asyncio.sleep(self._seconds)
        if self._fails is not None:
            raise self._fails
        return made.RESPONSE_TYPE.decode(BytesIO(self._answer))


async def test_the_topic_is_asked_for_by_its_name_and_nothing_is_made():
    """One topic, no identity of it known, no topic that comes into being by being asked for, no right needed."""
    client = _Client(_answer((0, IDENTITY)))
    await topic_identity(client, 4, TOPIC)
    header = bytes([0, 3, 0, 12, 0, 0, 0, 7, 0, 2]) + b"me" + b"\0"
    assert client.asked == [(4, header + bytes([2]) + bytes(16) + _string(TOPIC) + b"\0" + b"\0\0\0")]


@pytest.mark.parametrize(
    ("topics", "identity"),
    [
        ([(0, IDENTITY)], IDENTITY),
        ([(3, bytes(16))], ABSENT),
        ([(0, bytes(16))], None),
        ([(29, IDENTITY)], None),
        ([(5, bytes(16)), (0, IDENTITY)], IDENTITY),
        ([], None),
    ],
)
async def test_what_the_broker_says_of_it(topics, identity):
    """It is there, it is not, the broker has no identities yet, it does not permit the question, or says nothing."""
    assert await topic_identity(_Client(_answer(*topics)), 4, TOPIC) == identity


@pytest.mark.parametrize("fails", [KafkaConnectionError("gone"), OSError("reset"), TimeoutError()])
async def test_a_broker_that_fails_says_nothing_of_it(fails):
    """It is asked again with the next look; nothing fails for it."""
    assert await topic_identity(_Client(fails=fails), 4, TOPIC) is None


async def test_a_broker_older_than_the_question_says_nothing_of_it():
    """Kafka before 3.1 numbers no topics."""
    assert await topic_identity(_Client(_answer((0, IDENTITY)), versions={3: (0, 11)}), 4, TOPIC) is None


@pytest.mark.parametrize(("seconds", "identity"), [(1.9, IDENTITY), (2.1, None)])
def test_a_broker_that_hangs_holds_nothing_up(seconds, identity):
    """Two seconds, within which one that is busy answers."""

    async def ask():
        return await topic_identity(_Client(_answer((0, IDENTITY)), seconds=seconds), 4, TOPIC)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(ask()) == identity


def test_the_answer_is_read_as_the_protocol_has_it():
    """Field by field, and as the answer to that question: one that is read askew would take any topic for another."""
    answer = _MetadataRequest.RESPONSE_TYPE
    assert (answer.API_KEY, answer.API_VERSION) == (_MetadataRequest.API_KEY, _MetadataRequest.API_VERSION) == (3, 12)
    read = answer.decode(BytesIO(_answer((0, IDENTITY))))
    assert read.brokers == [(1, "localhost", 9092, None, {})]
    assert (read.cluster_id, read.controller_id) == ("cluster", 1)
    [(code, name, identity, internal, partitions, rights, _)] = read.topics
    assert (code, name, identity, internal, rights) == (0, TOPIC, IDENTITY, 0, 0)
    assert partitions == [(1, 5, 1, 6, [1], [1], [], {})]
