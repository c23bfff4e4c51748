"""The topic of a route's state on a real Kafka: made, checked, written by partition, and read from anywhere to its end."""

from __future__ import annotations

import contextlib
import uuid

import pytest

from bridge.kafka.producer.publisher import KafkaPublisher
from bridge.kafka.route_state.state_log import StateLog, check_state_topic, state_topic
from bridge.kafka.route_state.state_reader import StateReader
from bridge.kafka.topic_facts import UnfitTopic
from bridge.kafka.topics import TopicMissing
from bridge.model.errors import KafkaError
from bridge.settings import KafkaSettings
from bridge.testing.kafka.admin import alter_topic, create_topic


@pytest.fixture
def settings(kafka, topic):
    """Settings of a route whose events have three partitions."""
    return KafkaSettings(
        bootstrap_servers=(kafka,),
        topic=topic("events", partitions=3),
        dead_letter_topic=topic("dead", partitions=1),
        state_topic=f"state-{uuid.uuid4().hex[:8]}",
        create_topics=True,
        replication_factor=1,
    )


@contextlib.asynccontextmanager
async def opened(settings, *, same_partitions=True):
    """A log that is open, and its publisher."""
    async with KafkaPublisher(settings) as publisher:
        await publisher.connected(20)
        log = StateLog(settings, "adobe", publisher, same_partitions=same_partitions)
        assert await log.open() == 3
        yield log


async def read(log, since):
    """By partition: offsets, keys and values, and where reading goes on."""
    found, ends = {}, {}
    async for batch in log.read(since):
        found.setdefault(batch.partition, []).extend(batch.records)
        ends[batch.partition] = batch.next_offset
    return found, ends


async def test_it_is_made_written_and_read(settings):
    """Each partition by itself, from any offset on; what is forgotten comes as such; empty partitions give nothing."""
    async with opened(settings) as log:
        assert log.name == state_topic(settings, "adobe") == f"{settings.state_topic}.adobe"
        await log.append(0, [(b"a", b"1"), (b"b", b"2"), (b"a", None)])
        await log.append(2, [(b"a", b"3")])
        assert await read(log, {0: 0, 1: 0}) == ({0: [(0, b"a", b"1"), (1, b"b", b"2"), (2, b"a", None)]}, {0: 3})
        assert await read(log, {0: 2, 2: 1}) == ({0: [(2, b"a", None)]}, {0: 3})
        assert await read(log, {0: 3, 1: 0, 2: 1}) == ({}, {})
        anew = [(batch.partition, batch.anew, batch.next_offset) async for batch in log.read({1: 7})]
        assert anew == [(1, True, 0)]
        assert await check_state_topic(settings, log.name, same_partitions=True) == 3


async def test_what_is_only_written_goes_by_its_key(settings):
    """The same key always to the same partition, whoever writes it; a reader sees all of them, batch by batch."""
    async with opened(settings, same_partitions=False) as log:
        entries = [(f"row-{number}".encode(), b"x" * 10) for number in range(3_000)]
        await log.append(None, entries)
        await log.append(None, entries)
        async with StateReader(settings, log.name) as reader:
            assert reader.partitions == 3
            ends = await reader.ends()
            assert sum(ends.values()) == 6_000
            places = {}
            async for batch in reader.read():
                for key, _ in batch.entries:
                    places.setdefault(key, set()).add(batch.partition)
            assert len(places) == 3_000
            assert all(len(each) == 1 for each in places.values())
            await log.append(None, [(b"one more", None)])
            more = [batch.entries async for batch in reader.read(since=ends)]
            assert more == [[(b"one more", None)]]
            assert [batch async for batch in reader.read(since=ends, upto=ends)] == []


async def test_a_topic_that_would_forget_is_refused(settings):
    """By time, and by another number of partitions than the events have; a missing one is told with the command that makes it."""
    alone = settings.model_copy(update={"create_topics": False})
    async with KafkaPublisher(settings) as publisher:
        await publisher.connected(20)
        log = StateLog(alone, "adobe", publisher, same_partitions=True)
        with pytest.raises(TopicMissing) as missing:
            await log.open()
        assert f"--create --topic {log.name} --partitions 3" in missing.value.hint
        assert "--config cleanup.policy=compact" in missing.value.hint
        create_topic(settings.bootstrap_servers[0], log.name, partitions=2)
        with pytest.raises(UnfitTopic, match=r"has 3 partitions, and its state topic .* has 2"):
            await log.open()
        with pytest.raises(UnfitTopic, match=r"cleanup\.policy=delete: it would forget"):
            await check_state_topic(alone, log.name, same_partitions=False)
        alter_topic(settings.bootstrap_servers[0], log.name, cleanup_policy="compact")
        assert await check_state_topic(alone, log.name, same_partitions=False) == 2


async def test_a_reader_says_what_is_missing(settings):
    """No topic: told, with what makes it; no brokers: told as everywhere."""
    with pytest.raises(KafkaError, match="no such topic: nothing-here") as missing:
        async with StateReader(settings, "nothing-here"):
            raise AssertionError
    assert "worker" in missing.value.hint
    with pytest.raises(KafkaError, match=r"127\.0\.0\.1:1"):
        async with StateReader(settings.model_copy(update={"bootstrap_servers": ("127.0.0.1:1",)}), "x"):
            raise AssertionError
