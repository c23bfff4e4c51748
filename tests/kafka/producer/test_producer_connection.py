"""How the publisher connects, waits between attempts, and lets go of a producer; in virtual time, with a producer that is told what to do."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace

import pytest
from aiokafka import errors
from structlog.testing import capture_logs

from bridge.kafka.producer import producer_connection
from bridge.kafka.producer.publisher import KafkaPublisher
from bridge.kafka.topics import TopicMissing
from bridge.model.errors import KafkaError, SettingsError
from bridge.settings import KafkaSettings
from bridge.testing.virtual_loop import VirtualLoop

NEVER = 1e6


class _Producer:
    """Notes what is done to it; the calls named in ``hangs`` do not return, those in ``fails`` fail."""

    made: list[_Producer]
    hangs: frozenset[str] = frozenset()
    fails: frozenset[str] = frozenset()

    def __init__(self, **options):
        self.options, self.calls = options, []
        self.made.append(self)
        self._message_accumulator = SimpleNamespace(fail_all=lambda error: self.calls.append(f"failed: {error}"))
        self._sender = SimpleNamespace(
            close=lambda: self._call("sender closed"), sender_task=asyncio.get_running_loop().create_future()
        )
        self.client = SimpleNamespace(
            close=lambda: self._call("client closed"), force_metadata_update=lambda: self._call("metadata")
        )

    async def _call(self, name):
        self.calls.append(name)
        if name in self.hangs:
            await asyncio.sleep(NEVER)
        if name in self.fails:
            raise errors.KafkaConnectionError("gone")

    async def start(self):
        await self._call("start")

    async def stop(self):
        await self._call("stop")


@pytest.fixture
def scene(monkeypatch):
    """Runs work with a class of producers of its own, and with ``failures`` of the look at the topics, one an attempt."""

    def run(work, *failures, **calls):
        kind = type("Producer", (_Producer,), {"made": [], **{name: frozenset(some) for name, some in calls.items()}})
        attempts, left = [], iter(failures)

        async def ensure_topics(_kafka, *, topics):
            attempts.append(asyncio.get_running_loop().time())
            assert topics == ("events", "dead")
            failure = next(left, None)
            if callable(failure):
                failure = failure()
            if failure == "hang":
                await asyncio.sleep(NEVER)
            if failure is not None:
                raise failure

        async def look(self, *, refuse):
            looked.append(refuse)

        async def read_again(self):
            read.append(asyncio.get_running_loop().time())

        looked, read = [], []
        monkeypatch.setattr(producer_connection, "ensure_topics", ensure_topics)
        monkeypatch.setattr(producer_connection, "AIOKafkaProducer", kind)
        monkeypatch.setattr(producer_connection.TopicLimits, "look", look)
        monkeypatch.setattr(producer_connection.TopicLimits, "read_again", read_again)
        seen = SimpleNamespace(attempts=attempts, looked=looked, read=read, made=kind.made)

        async def main():
            clock = asyncio.get_running_loop().time
            publisher = KafkaPublisher(KafkaSettings(topic="events", dead_letter_topic="dead"), clock=clock)
            return await work(publisher, seen)

        loop = VirtualLoop()
        try:
            return loop.run_until_complete(main())
        finally:
            loop.close()

    return run


def test_a_producer_that_waits_for_all_replicas_is_made(scene):
    """Every copy confirms; all topics' metadata is known before the first record; the limits refuse an unfit topic."""

    async def work(publisher, seen):
        assert not publisher.is_connected
        async with publisher:
            await publisher.connected(within=1)
            assert publisher.is_connected
        assert not publisher.is_connected
        (producer,) = seen.made
        assert producer.calls == ["start", "metadata", "stop"]
        assert (producer.options["acks"], producer.options["compression_type"]) == ("all", "lz4")
        assert producer.options["max_batch_size"] == 512_000
        assert "enable_idempotence" not in producer.options
        assert seen.looked == [True]

    scene(work)


def test_attempts_lie_further_apart_up_to_five_seconds(scene):
    """A fifth of a second at first, doubled, give or take a fifth; told with each; and anew after a success."""

    async def work(publisher, seen):
        with capture_logs() as logs:
            async with publisher:
                await publisher.connected(within=60)
                publisher._renew.set()
                await asyncio.sleep(5)
        told = [line["next_attempt_seconds"] for line in logs if line["event"] == "kafka_unreachable"]
        assert told == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 0.2, 0.4]
        gaps = [after - before for before, after in zip(seen.attempts, seen.attempts[1:], strict=False)]
        for gap, pause in zip(gaps[:7], told[:7], strict=True):
            assert 0.8 * pause <= gap <= 1.2 * pause
        assert len({round(gap / pause, 3) for gap, pause in zip(gaps[:7], told[:7], strict=True)}) > 1, "jitter"
        assert seen.looked == [True, False], "later an unfit topic is told only"
        assert [line["error"] for line in logs if line["event"] == "kafka_unreachable"] == ["away"] * 9

    away = KafkaError("away")
    scene(work, *[away] * 7, None, away, away)


@pytest.mark.parametrize(
    "failure",
    [KafkaError("away"), errors.NodeNotReadyError("away"), ConnectionResetError("away"), TimeoutError("away")],
)
def test_brokers_that_are_away_at_the_start_are_waited_for(scene, failure):
    """In whatever form it shows; and told in words to who does not wait for so long."""

    async def work(publisher, _seen):
        async with publisher:
            with pytest.raises(KafkaError, match="away"):
                await publisher.connected(within=0.1)
            await publisher.connected(within=5)

    scene(work, failure, failure)


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (KafkaError("away"), "away"),
        (ConnectionResetError("reset"), "reset"),
        (SettingsError("client.pem cannot be used"), "client.pem cannot be used"),
        (RuntimeError("asha@example.com"), "RuntimeError"),
        (OSError(), "OSError"),
    ],
)
def test_a_reconnection_that_fails_is_told_in_known_words(scene, failure, told):
    """In the log and in the reason for not being ready; of an error that nobody knows only the kind: its words may be anything."""

    async def work(publisher, _seen):
        with capture_logs() as logs:
            async with publisher:
                assert publisher.trouble == "not connected yet"
                await publisher.connected(within=5)
                assert publisher.trouble is None
                publisher._renew.set()
                await asyncio.sleep(0.1)
                assert publisher.trouble == f"not connected: {told}"
                await asyncio.sleep(5)
                assert publisher.trouble is None
                publisher._renew.set()
                await asyncio.sleep(0.01)
            assert publisher.trouble == "not connected yet", "an attempt that has succeeded has no trouble left"
        assert [line["error"] for line in logs if line["event"] == "kafka_unreachable"] == [told]

    scene(work, None, failure)


def test_who_waits_is_told_what_the_last_attempt_failed_of(scene):
    """Words of our own as they are, others with the address."""

    async def work(publisher, _seen):
        async with publisher:
            with pytest.raises(KafkaError) as caught:
                await publisher.connected(within=0.1)
            return str(caught.value)

    assert scene(work, KafkaError("away")) == "away"
    assert scene(work, OSError("reset")) == "Kafka at localhost:9092 (PLAINTEXT): reset"


def test_brokers_that_hang_are_told_by_the_time(scene):
    """There is no error to tell: the seconds that were waited."""

    async def work(publisher, _seen):
        async with publisher:
            with pytest.raises(KafkaError, match=r"no connection within 1\.5 s"):
                await publisher.connected(within=1.5)

    scene(work, "hang")


def test_a_missing_topic_ends_the_start_and_is_tried_again_later(scene):
    """Whoever waits hears of it, and no attempt follows; one that is deleted later may come back."""

    async def start(publisher, seen):
        async with publisher:
            with pytest.raises(TopicMissing):
                await publisher.connected(within=5)
            await asyncio.sleep(60)
            assert len(seen.attempts) == 1

    async def later(publisher, seen):
        async with publisher:
            await publisher.connected(within=5)
            publisher._renew.set()
            await asyncio.sleep(5)
            assert len(seen.attempts) == 3
            assert publisher.is_connected

    scene(start, TopicMissing("no such topic"))
    scene(later, None, TopicMissing("no such topic"))


def test_a_start_that_fails_unasked_is_no_loose_end(scene):
    """Nobody waits for the first connection: the event loop has nothing to complain of."""
    complaints = []

    async def work(publisher, _seen):
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
        async with publisher:
            await asyncio.sleep(1)

    scene(work, lambda: TopicMissing("no such topic"))
    gc.collect()
    assert complaints == []


@pytest.mark.parametrize("call", ["start", "metadata"])
def test_a_producer_that_does_not_start_is_stopped(scene, call):
    """Its connections would be left open, one an attempt."""

    async def work(publisher, seen):
        async with publisher:
            with pytest.raises(KafkaError, match="gone"):
                await publisher.connected(within=2)
        assert len(seen.made) > 1
        for producer in seen.made:
            assert producer.calls[-1] == "stop"

    scene(work, fails=[call])


def test_one_that_does_not_stop_in_time_is_cut_short(scene):
    """What it holds fails, so that callers send again; its parts are closed, each within two seconds."""

    async def work(publisher, seen):
        clock = asyncio.get_running_loop().time
        async with publisher:
            await publisher.connected(within=1)
            began = clock()
        (producer,) = seen.made
        assert producer.calls[2:] == ["stop", "failed: the publisher is stopping", "sender closed", "client closed"]
        return clock() - began

    assert scene(work, hangs=["stop"]) == 2.0
    assert scene(work, hangs=["stop", "sender closed"]) == 4.0
    assert scene(work, hangs=["stop", "sender closed", "client closed"]) == 6.0
    assert scene(work, fails=["stop", "sender closed", "client closed"]) == 0.0


def test_whoever_waits_for_a_producer_that_is_replaced_hears_of_it(scene):
    """Its lanes end with it, and those of the next one begin empty, with no partition failing."""

    async def work(publisher, seen):
        async with publisher:
            await publisher.connected(within=1)
            told = []
            publisher._lanes[("events", 0)] = SimpleNamespace(abandon=told.append)
            publisher._failing_since[("events", 0)] = 0.0
            publisher._renew.set()
            await asyncio.sleep(1)
            assert [str(error) for error in told] == ["the connection to Kafka is being renewed"]
            assert (publisher._lanes, publisher._failing_since) == ({}, {})
            assert len(seen.made) == 2
            assert seen.made[0].calls[-1] == "stop"

    scene(work)


def test_limits_are_read_once_a_minute(scene):
    """From the connection on, and no more once it ends."""

    async def work(publisher, seen):
        async with publisher:
            await publisher.connected(within=1)
            began = asyncio.get_running_loop().time()
            await asyncio.sleep(185)
        await asyncio.sleep(120)
        assert [round(at - began) for at in seen.read] == [60, 120, 180]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    scene(work)
