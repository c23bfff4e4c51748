"""The publisher's connection: what ends it at the start, and that nothing ends it later."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs
from stub_kafka import StubKafka, publisher_on
from virtual_time import in_virtual_time

from bridge.kafka import topic_limits
from bridge.kafka.producer.publisher import KafkaPublisher
from bridge.kafka.topic_facts import TopicFacts, UnfitTopic
from bridge.model.errors import KafkaError, SettingsError
from bridge.settings import KafkaSettings

_HALF = SettingsError("BRIDGE_KAFKA__SSL_CERTFILE: client.pem cannot be used: bad end line")


class _Publisher(KafkaPublisher):
    """Connects, or fails as it is told, attempt by attempt."""

    def __init__(self, *attempts):
        super().__init__(KafkaSettings())
        self._attempts = iter(attempts)

    async def _connect(self):
        failure = next(self._attempts, None)
        if failure is not None:
            raise failure

        async def stop():
            """As a producer's."""

        self._producer = SimpleNamespace(stop=stop)
        if not self._first.done():
            self._first.set_result(None)


@pytest.mark.parametrize("failure", [_HALF, RuntimeError("never seen before")])
@in_virtual_time
async def test_what_fails_while_reconnecting_is_tried_again(failure) -> None:
    """A certificate that is half replaced when a broker goes away: a moment later the publisher is connected again."""
    async with _Publisher(None, failure, failure) as publisher:
        await publisher.connected(within=1)
        publisher._renew.set()
        await asyncio.sleep(0.05)
        assert not publisher.is_connected
        async with asyncio.timeout(3):
            while not publisher.is_connected:  # noqa: ASYNC110 - it is the state that is watched
                await asyncio.sleep(0.05)


@in_virtual_time
async def test_what_cannot_be_used_at_the_start_is_told() -> None:
    """At the start the same certificate is a mistake that whoever waits hears of."""
    async with _Publisher(_HALF) as publisher:
        with pytest.raises(SettingsError):
            await publisher.connected(within=1)


@in_virtual_time
async def test_limits_are_read_regularly_and_do_not_hold_up_a_renewal(monkeypatch) -> None:
    """Each minute the topics' limits are read; brokers that hang while they are asked do not keep the old producer in place."""
    monkeypatch.setattr("bridge.kafka.producer.producer_connection.REREAD_SECONDS", 0.02)
    reads = []

    async def read_again():
        reads.append(1)
        if len(reads) == 3:
            await asyncio.Event().wait()

    async with _Publisher(None, None) as publisher:
        publisher._limits.read_again = read_again
        await publisher.connected(within=1)
        first = publisher._producer
        async with asyncio.timeout(3):
            while len(reads) < 3:  # noqa: ASYNC110 - it is the state that is watched
                await asyncio.sleep(0.01)
            assert publisher._producer is first
            publisher._renew.set()
            while publisher._producer in (first, None):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert not publisher._renew.is_set()


@in_virtual_time
async def test_limits_that_are_read_for_long_are_read_once_and_to_their_end(monkeypatch) -> None:
    """Brokers that hang are not asked once more beside it, and what is given up is closed before the next connection."""
    monkeypatch.setattr("bridge.kafka.producer.producer_connection.REREAD_SECONDS", 0.01)
    told = []

    class Publisher(_Publisher):
        async def _connect(self):
            told.append("connects")
            await super()._connect()

    async def read_again():
        told.append("reads")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            told.append("closed")

    async with Publisher(None, None) as publisher:
        publisher._limits.read_again = read_again
        await publisher.connected(within=1)
        await asyncio.sleep(0.1)
        assert told == ["connects", "reads"]
        publisher._renew.set()
        async with asyncio.timeout(3):
            while told.count("connects") < 2:  # noqa: ASYNC110 - it is the state that is watched
                await asyncio.sleep(0.001)
        assert told[:4] == ["connects", "reads", "closed", "connects"]


async def test_limits_that_cannot_be_read_stay_as_they_are() -> None:
    """Whatever fails while they are read again, also a certificate that is half written: the known ones go on to count."""
    kafka = StubKafka()
    publisher = publisher_on(kafka)
    limit = publisher.event_limit
    for failure in (KafkaError("away"), _HALF, RuntimeError("never seen before")):

        async def fail(failure=failure):
            raise failure

        publisher._limits._told = fail
        publisher._limits._read_at = None
        await publisher._limits.read_again()
        assert publisher.event_limit == limit


async def test_limits_are_not_asked_for_by_everybody_at_once() -> None:
    """A hundred requests are refused for size in the same moment: the brokers are asked once."""
    kafka = StubKafka()
    asked = []

    async def told():
        asked.append(1)
        await asyncio.sleep(0)
        return kafka.limits

    publisher = publisher_on(kafka)
    publisher._limits._told = told
    kafka.limits["events"] = 5_000
    await asyncio.gather(*(publisher._limits.read_again() for _ in range(100)))
    assert (len(asked), publisher.event_limit < 5_000) == (1, True)


@pytest.mark.parametrize(("later", "asked"), [(0.4, 1), (0.5, 2)])
async def test_limits_count_as_fresh_for_half_a_second(later, asked) -> None:
    """Read or not: brokers that do not tell are not asked by everybody either."""
    for told in (KafkaError("away"), None):
        calls, now = [], [100.0]

        async def tell(told=told, calls=calls):
            calls.append(1)
            if told is not None:
                raise told
            return {}

        publisher = publisher_on(StubKafka(), clock=lambda now=now: now[0])
        publisher._limits._told = tell
        for now[0] in (100.0, 100.0 + later):
            await asyncio.gather(*(publisher._limits.read_again() for _ in range(5)))
        assert len(calls) == asked


async def test_a_changed_limit_is_told() -> None:
    """By its topic; one that is the same is not."""
    kafka, now = StubKafka(), [100.0]
    publisher = publisher_on(kafka, clock=lambda: now[0])
    with capture_logs() as logged:
        await publisher._limits.read_again()
        kafka.limits["dead"] = 5_000
        now[0] += 60
        await publisher._limits.read_again()
    assert [(line["event"], line["limits"]) for line in logged] == [("topic_limits_changed", {"dead": 5_000})]


async def test_what_brokers_do_not_tell_is_kafkas_default() -> None:
    """Without the right to describe configurations, or on a broker that does not know the question: told, and no end."""
    publisher = publisher_on(StubKafka())
    limit = KafkaPublisher(KafkaSettings()).event_limit
    assert 1_047_000 < limit < 1_048_588

    async def away():
        raise KafkaError("not authorized")

    publisher._limits._facts = away
    with capture_logs() as logged:
        await publisher._limits.look(refuse=True)
    assert [(line["event"], line["assumed_bytes"]) for line in logged] == [("topic_limits_unknown", 1_048_588)]

    async def facts():
        return {"events": TopicFacts("events", 1, 1, 1, 1)}

    publisher._limits._facts = facts
    await publisher._limits.look(refuse=True)
    assert publisher.event_limit == limit


async def test_what_may_lose_events_is_a_warning() -> None:
    """It does not end the start: one copy of a topic on brokers that could keep three."""
    publisher = publisher_on(StubKafka())

    async def facts():
        return {"events": TopicFacts("events", 1, 1, 1, 3, message_bytes=7_000, min_in_sync=1)}

    publisher._limits._facts = facts
    with capture_logs() as logged:
        await publisher._limits.look(refuse=True)
    assert {(line["log_level"], line["topic"]) for line in logged} == {("warning", "events")}


async def test_an_unfit_topic_ends_the_start_and_nothing_later() -> None:
    """At the start a compacted topic is refused; found compacted later it is told, and the work goes on."""
    publisher = publisher_on(StubKafka())

    async def facts():
        return {"events": TopicFacts("events", 1, 1, 1, 1, cleanup_policy="compact", message_bytes=7_000)}

    publisher._limits._facts = facts
    with pytest.raises(UnfitTopic, match="topic events is compacted") as caught:
        await publisher._limits.look(refuse=True)
    assert "cleanup.policy=delete" in (caught.value.hint or "")
    with capture_logs() as logged:
        await publisher._limits.look(refuse=False)
    assert [(each["event"], each["log_level"]) for each in logged] == [("topic_compacted", "error")]
    assert 6_000 < publisher.event_limit < 7_000, "its limit is known all the same"


@in_virtual_time
async def test_a_topic_that_is_unfit_is_told_to_who_waits() -> None:
    """As a missing topic: waiting does not help."""
    async with _Publisher(UnfitTopic("compacted")) as publisher:
        with pytest.raises(UnfitTopic):
            await publisher.connected(within=1)


async def test_the_brokers_are_asked_about_the_topics_that_are_written_to(monkeypatch) -> None:
    """At the start for all that is known of them, later for their limits alone; each time by a client that is closed."""
    opened, asked = [], []

    @asynccontextmanager
    async def admin(_kafka):
        opened.append("client")
        yield "client"
        opened.append("closed")

    async def describe(client, topics):
        asked.append((client, topics))
        return {"events": TopicFacts("events", 1, 1, 1, 1, message_bytes=7_000)}

    async def describe_limits(client, topics):
        asked.append((client, topics))
        return {"events": 9_000}

    monkeypatch.setattr(topic_limits, "admin", admin)
    monkeypatch.setattr(topic_limits, "describe", describe)
    monkeypatch.setattr(topic_limits, "describe_limits", describe_limits)
    now = [0.0]
    publisher = KafkaPublisher(KafkaSettings(topic="events", dead_letter_topic="dead"), clock=lambda: now[0])
    await publisher._limits.look(refuse=True)
    assert 6_000 < publisher.event_limit < 7_000
    now[0] = 60.0
    await publisher._limits.read_again()
    assert 8_000 < publisher.event_limit < 9_000
    assert asked == [("client", ("events", "dead"))] * 2
    assert opened == ["client", "closed"] * 2
