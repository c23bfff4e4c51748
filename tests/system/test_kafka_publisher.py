"""The publisher against a real broker: confirmed means stored, and nothing is created by accident."""

from __future__ import annotations

import asyncio
import time
import uuid

import pytest
from aiokafka.errors import UnknownTopicOrPartitionError
from structlog.testing import capture_logs

from bridge.kafka.producer.lanes import Confirmation
from bridge.kafka.producer.publisher import KafkaPublisher
from bridge.kafka.producer.refusal import RefusedByKafka
from bridge.kafka.topic_facts import describe, judge
from bridge.kafka.topics import CREATED_MESSAGE_BYTES, TopicMissing, admin, ensure_topics
from bridge.model.errors import KafkaError
from bridge.settings import KafkaSettings
from bridge.testing.kafka.stored_records import stored

pytestmark = pytest.mark.kafka


def settings(kafka, **more) -> KafkaSettings:
    """Settings with topics of their own."""
    name = f"publisher-{uuid.uuid4().hex[:8]}"
    return KafkaSettings(
        bootstrap_servers=(kafka,), **{"topic": name, "dead_letter_topic": f"{name}.dead", "partitions": 3, **more}
    )


async def test_missing_topics_are_an_error_with_a_way_out(kafka) -> None:
    """Without create_topics a missing topic stops the start, names itself and the command, and stays missing."""
    kafka_settings = settings(kafka)
    for _ in range(2):
        with pytest.raises(TopicMissing) as caught:
            await ensure_topics(kafka_settings)
        assert kafka_settings.topic in str(caught.value)
        assert "BRIDGE_KAFKA__CREATE_TOPICS=true" in (caught.value.hint or "")
        assert f"--create --topic {kafka_settings.topic}" in (caught.value.hint or "")
    async with KafkaPublisher(kafka_settings) as publisher:
        with pytest.raises(TopicMissing):
            await publisher.connected(10)
        with pytest.raises(KafkaError):
            await publisher.publish([(None, b"x", ())])


async def test_topics_are_created_on_request(kafka) -> None:
    """With create_topics both topics are made as the settings say, once, and with room for large bodies."""
    kafka_settings = settings(kafka, create_topics=True)
    expected = {kafka_settings.topic: 3, kafka_settings.dead_letter_topic: 3}
    assert await ensure_topics(kafka_settings) == expected
    assert await ensure_topics(kafka_settings) == expected
    async with admin(kafka_settings) as client:
        facts = await describe(client, expected)
    assert {each.message_bytes for each in facts.values()} == {CREATED_MESSAGE_BYTES}
    assert facts[kafka_settings.dead_letter_topic].retention_ms == 30 * 86_400_000
    assert [finding for each in facts.values() for finding in judge(each, kafka_settings)] == []


async def test_a_topic_that_trusts_our_clock_is_told(kafka, topic) -> None:
    """Kafka's default takes the writer's time, which a wrong clock makes a reason to refuse or to delete: a warning."""
    kafka_settings = settings(kafka, topic=topic(), dead_letter_topic=topic())
    with capture_logs() as logged:
        async with KafkaPublisher(kafka_settings, topics=[kafka_settings.topic]) as publisher:
            await publisher.connected(20)
    assert [each["topic"] for each in logged if each["event"] == "topic_trusts_our_clock"] == [kafka_settings.topic]
    # A busy broker may have been called for more than once.
    warned = {each["event"] for each in logged if each["log_level"] == "warning"}
    assert warned - {"kafka_unreachable"} == {"topic_trusts_our_clock"}


async def test_impossible_replication_is_told(kafka) -> None:
    """A broker's refusal to create a topic is an error that says why."""
    with pytest.raises(KafkaError, match="cannot be created"):
        await ensure_topics(settings(kafka, create_topics=True, replication_factor=3))


async def test_unreachable_brokers_are_told() -> None:
    """No broker at the address: an error that names address and settings, quickly."""
    with pytest.raises(KafkaError, match=r"127\.0\.0\.1:1") as caught:
        await ensure_topics(KafkaSettings(bootstrap_servers=("127.0.0.1:1",)))
    assert "BRIDGE_KAFKA__BOOTSTRAP_SERVERS" in (caught.value.hint or "")


async def test_a_topic_that_comes_back_is_found_again(kafka) -> None:
    """A topic deleted and created anew beneath the publisher is written to again within seconds."""
    kafka_settings = settings(kafka, create_topics=True, request_timeout_seconds=2, partitions=1)
    letters = kafka_settings.dead_letter_topic
    async with KafkaPublisher(kafka_settings) as publisher:
        await publisher.connected(20)
        await publisher.publish([(None, b"before", ())], topic=letters)
        async with admin(kafka_settings) as client:
            await client.delete_topics([letters])
        while publisher._producer.client.cluster.partitions_for_topic(letters):
            await asyncio.sleep(0.2)
            await publisher._producer.client.force_metadata_update()
        with pytest.raises(KafkaError, match="no such topic"):
            await publisher.publish([(None, b"lost", ())], topic=letters)
        await ensure_topics(kafka_settings)
        began = time.monotonic()
        while True:
            try:
                await publisher.publish([(None, b"after", ())], topic=letters)
                break
            except KafkaError:
                assert time.monotonic() - began < 20
                await asyncio.sleep(0.5)
    assert b"after" in {record.value for record in stored(kafka, letters)}


async def test_a_topic_that_is_deleted_under_load_takes_no_other_with_it(kafka) -> None:
    """Batches that wait in line for a deleted topic fail, and the dead-letter topic, not asked for by name, stays known."""
    kafka_settings = settings(kafka, create_topics=True, request_timeout_seconds=3)
    events, letters = kafka_settings.topic, kafka_settings.dead_letter_topic
    record = (b"k", b"v", ())
    async with KafkaPublisher(kafka_settings) as publisher:
        await publisher.connected(20)
        await publisher.publish([record])
        lane = next(iter(publisher._lanes.values()))
        async with admin(kafka_settings) as client:
            await client.delete_topics([events])
        while publisher._producer.client.cluster.partitions_for_topic(events):
            await publisher._producer.client.force_metadata_update()
        # Whoever was in line when the topic went away: what is published from now on is refused before it comes so far.
        late = Confirmation()
        lane.add(record, late, 0, 100)
        with pytest.raises(UnknownTopicOrPartitionError):
            await asyncio.wait_for(late.wait(), 30)
        await ensure_topics(kafka_settings)
        began = time.monotonic()
        while True:
            try:
                await publisher.publish([record])
                break
            except KafkaError:
                assert time.monotonic() - began < 20
                await asyncio.sleep(0.1)
        for _ in range(3):
            await publisher._producer.client.force_metadata_update()
            await publisher.store([record], [record])
    assert len(stored(kafka, letters)) == 3


async def test_confirmed_records_are_stored(kafka) -> None:
    """What publish and store return for is in the topics: key, value, headers, one partition a key, order kept."""
    kafka_settings = settings(kafka, create_topics=True)
    async with KafkaPublisher(kafka_settings) as publisher:
        await publisher.connected(20)
        events = [(f"user-{n % 7}".encode(), b"%d" % n, ()) for n in range(500)]
        await asyncio.gather(*(publisher.publish(events[start : start + 50]) for start in range(0, 500, 50)))
        await publisher.store([(None, b"last", ())], [(b"k", b"bad", [("bridge.stage", b"receive")])])
        await publisher.store([], [])
    found = stored(kafka, kafka_settings.topic)
    assert sorted(one.value for one in found) == sorted([value for _, value, _ in events] + [b"last"])
    for number in range(7):
        key = b"user-%d" % number
        mine = [(one.partition, int(one.value)) for one in found if one.key == key]
        assert len({partition for partition, _ in mine}) == 1
        assert [value for _, value in mine] == sorted(value for _, value in mine)
    (dead,) = stored(kafka, kafka_settings.dead_letter_topic)
    assert (dead.key, dead.value, dead.headers) == (b"k", b"bad", (("bridge.stage", b"receive"),))


async def test_records_fill_many_batches_and_the_largest_fits(kafka) -> None:
    """More than a batch holds goes out in several; a record of megabytes fits a topic made for it, one beyond does not."""
    kafka_settings = settings(kafka, create_topics=True)
    async with KafkaPublisher(kafka_settings) as publisher:
        await publisher.connected(20)
        await publisher.publish([(b"one", bytes([n]) * 300_000, ()) for n in range(10)])
        await publisher.publish([(b"one", b"x" * 10_000_000, ())])
        with pytest.raises(RefusedByKafka) as caught:
            await publisher.publish([(b"one", b"x" * CREATED_MESSAGE_BYTES, ()), (b"one", b"neighbour", ())])
        assert [(each.number, each.code) for each in caught.value.refused] == [(0, "too_large")]
    assert len(stored(kafka, kafka_settings.topic)) == 12


async def test_an_unknown_topic_is_not_created_by_publishing(kafka) -> None:
    """Publishing to a topic that is not there fails at once and leaves it not there."""
    kafka_settings = settings(kafka, create_topics=True)
    nowhere = f"nowhere-{uuid.uuid4().hex[:8]}"
    async with KafkaPublisher(kafka_settings) as publisher:
        await publisher.connected(20)
        with pytest.raises(KafkaError, match="no such topic"):
            await publisher.publish([(None, b"x", ())], topic=nowhere)
        async with admin(kafka_settings) as client:
            assert nowhere not in await client.list_topics()


async def test_a_producer_whose_sender_died_is_replaced(kafka) -> None:
    """The sender task ends at an unexpected error for good; the publisher notices, and publishes again by itself."""
    kafka_settings = settings(kafka, create_topics=True)
    async with KafkaPublisher(kafka_settings) as publisher:
        await publisher.connected(20)
        await publisher.publish([(b"k", b"before", ())])
        sender = publisher._producer._sender

        async def broken(*_: object) -> None:
            raise RuntimeError("unexpected")

        sender._send_produce_req = broken
        with pytest.raises(KafkaError):
            await publisher.publish([(b"k", b"during", ())])
        deadline = time.monotonic() + 20
        while True:
            try:
                await publisher.publish([(b"k", b"after", ())])
                break
            except KafkaError:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
    # What was not confirmed may be stored all the same, and comes again.
    first, *later = [one.value for one in stored(kafka, kafka_settings.topic)]
    assert (first, set(later)) == (b"before", {b"after"})


async def test_waiting_can_be_given_up(kafka_broker) -> None:
    """While the broker hangs, callers that give up hold no memory; when it is back, publishing goes on."""
    kafka_settings = settings(kafka_broker.bootstrap, create_topics=True, partitions=1)
    async with KafkaPublisher(kafka_settings) as publisher:
        await publisher.connected(20)
        await publisher.publish([(b"k", b"0", ())])
        kafka_broker.pause()
        try:
            for _ in range(20):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await publisher.publish([(b"k", b"given up", ())])
            lane = publisher._lanes[kafka_settings.topic, 0]
            assert not lane._line
        finally:
            kafka_broker.resume()
        await asyncio.wait_for(publisher.publish([(b"k", b"1", ())]), 40)
        assert publisher.is_connected
    values = [one.value for one in stored(kafka_broker.bootstrap, kafka_settings.topic)]
    assert values[0] == b"0"
    assert values[-1] == b"1"
    assert len(values) <= 4
