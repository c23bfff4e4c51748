"""When is the producer replaced? After a partition has failed for long, or its sender has ended; and what a call does whose connection goes meanwhile."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import errors
from published_records import publisher_place, records, refuse
from stub_kafka import StubKafka, publisher_on
from virtual_time import in_virtual_time

from bridge.kafka.producer.refusal import InvalidRecordError
from bridge.model.errors import KafkaError


async def test_a_connection_that_is_lost_while_a_record_is_looked_for() -> None:
    """The producer is taken away between two tries: not confirmed, and nothing is sent by what is gone."""
    kafka = StubKafka()
    publisher = publisher_on(kafka)

    def refuse_and_vanish(_topic, _record):
        publisher._producer, publisher._lanes = None, {}
        return InvalidRecordError()

    kafka.refuse = refuse_and_vanish
    with pytest.raises(KafkaError, match="there is no connection"):
        await publisher.publish(records(b"a", b"b"))
    assert len(kafka.sends) == 1


async def test_a_partition_that_fails_for_long_renews_the_producer_though_others_succeed() -> None:
    """Each partition has its own clock; one that succeeds again is forgotten."""
    kafka, now = StubKafka(partitions=2), [0.0]
    publisher = publisher_on(kafka, clock=lambda: now[0], request_timeout_seconds=5)
    away = 1
    bad = next(b"%d" % n for n in range(20) if publisher_place(publisher, b"%d" % n) == away)
    good = next(b"%d" % n for n in range(20) if publisher_place(publisher, b"%d" % n) != away)
    kafka.refuse = lambda _topic, record: errors.KafkaTimeoutError() if record.value == b"x" else None
    for now[0] in (0.0, 4.0, 8.0):
        with pytest.raises(KafkaError):
            await publisher.publish([(bad, b"x", ())])
        await publisher.publish([(good, b"fine", ())])
    assert not publisher._renew.is_set()
    await publisher.publish([(bad, b"fine", ())])
    now[0] = 12.0
    with pytest.raises(KafkaError):
        await publisher.publish([(bad, b"x", ())])
    assert not publisher._renew.is_set(), "a success in between begins anew"
    now[0] = 22.0
    with pytest.raises(KafkaError):
        await publisher.publish([(bad, b"x", ())])
    assert publisher._renew.is_set()


@in_virtual_time
async def test_waiting_that_is_given_up_counts_as_a_failure_of_its_partition() -> None:
    """A broker that hangs answers nothing: callers time out, and after the bound the producer is replaced."""
    kafka, now = StubKafka(), [0.0]
    kafka.hangs.add(("events", 0))
    publisher = publisher_on(kafka, clock=lambda: now[0], request_timeout_seconds=5)
    for now[0], renewed in ((0.0, False), (10.0, True)):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await publisher.publish(records(b"x"))
        assert publisher._renew.is_set() is renewed


async def test_a_dead_sender_renews_the_producer_at_once() -> None:
    """Aiokafka's sender ends at an unexpected error: no waiting for the bound."""
    kafka = StubKafka()
    publisher = publisher_on(kafka)
    kafka.refuse = refuse(b"x", error=RuntimeError)
    kafka._sender.sender_task.set_result(None)
    with pytest.raises(KafkaError):
        await publisher.publish(records(b"x"))
    assert publisher._renew.is_set()


@pytest.mark.parametrize("error", [errors.KafkaTimeoutError, InvalidRecordError])
async def test_an_answer_in_a_call_that_failed_elsewhere_is_an_answer(error) -> None:
    """Of a call one partition fails, or is refused, and another one answers: the clock of that one begins anew."""
    kafka, now = StubKafka(partitions=2), [0.0]
    publisher = publisher_on(kafka, clock=lambda: now[0], request_timeout_seconds=5)
    first, second = (next(b"%d" % n for n in range(20) if publisher_place(publisher, b"%d" % n) == at) for at in (0, 1))
    kafka.refuse = lambda _topic, record: errors.KafkaTimeoutError() if record.value == b"away" else None
    with pytest.raises(KafkaError):
        await publisher.publish([(first, b"away", ())])
    now[0] = 6.0
    kafka.refuse = lambda _topic, record: error() if record.value == b"bad" else None
    with pytest.raises(KafkaError):
        await publisher.publish([(first, b"fine", ()), (second, b"bad", ())])
    now[0] = 11.0
    kafka.refuse = lambda _topic, record: errors.KafkaTimeoutError() if record.value == b"away" else None
    with pytest.raises(KafkaError):
        await publisher.publish([(first, b"away", ())])
    assert not publisher._renew.is_set()


async def test_the_partition_that_fails_longest_decides_about_the_producer() -> None:
    """In a call that fails for several: that one of them failed just now for the first time changes nothing."""
    kafka, now = StubKafka(partitions=2), [0.0]
    publisher = publisher_on(kafka, clock=lambda: now[0], request_timeout_seconds=5)
    first, second = (next(b"%d" % n for n in range(20) if publisher_place(publisher, b"%d" % n) == at) for at in (0, 1))
    kafka.refuse = lambda _topic, _record: errors.KafkaTimeoutError()
    with pytest.raises(KafkaError):
        await publisher.publish([(first, b"x", ())])
    now[0] = 10.0
    with pytest.raises(KafkaError):
        await publisher.publish([(first, b"x", ()), (second, b"x", ())])
    assert publisher._renew.is_set()


@in_virtual_time
async def test_giving_up_after_the_connection_is_gone_is_no_error_of_its_own() -> None:
    """The producer was taken away meanwhile: there is none left to replace."""
    kafka = StubKafka()
    kafka.hangs.add(("events", 0))
    publisher = publisher_on(kafka, clock=lambda: 0.0)
    waiting = asyncio.create_task(publisher.publish(records(b"x")))
    await asyncio.sleep(0.01)
    publisher._producer = None
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not publisher._renew.is_set()
