"""What becomes of events and dead letters that are stored together: all that Kafka takes is there, or the sender is told to send again."""

from __future__ import annotations

import pytest
from published_records import NOISE, records
from stub_kafka import StubKafka, publisher_on

from bridge.kafka.producer.refusal import InvalidRecordError
from bridge.model.dead_letter import DeadLetter, Form
from bridge.model.errors import KafkaError


def letter(value=b"x", **more):
    """A dead letter as a record."""
    return DeadLetter(None, value, "receive", "not_json", "no JSON", **more).to_record()


async def test_an_event_that_kafka_refuses_becomes_a_dead_letter() -> None:
    """Its neighbours are stored, it lies in the dead letters with its key and the reason, and the caller hears which."""
    kafka = StubKafka()
    kafka.refuse = lambda topic, record: InvalidRecordError() if (topic, record.value) == ("events", b"bad") else None
    stored = await publisher_on(kafka).store(records(b"a", b"bad", key=b"c"), [letter(b"other")])
    assert kafka.values("events") == [b"a"]
    assert sorted(kafka.values("dead")) == [b"bad", b"other"]
    ((made,), cut) = (stored.made, stored.cut)
    assert (made.key, made.code, made.stage, made.form, cut) == (b"c", "kafka_invalid_record", "receive", "event", [])


async def test_a_letter_that_does_not_fit_any_more_is_cut() -> None:
    """The dead-letter topic takes less than a moment ago: the letter is cut to what it takes now, and that is told."""
    kafka = StubKafka()
    publisher = publisher_on(kafka)
    kafka.limits["dead"] = 2_000
    stored = await publisher.store(records(b"a"), [letter(NOISE[:5_000]), letter(b"small")])
    assert kafka.values("events") == [b"a"]
    (cut,) = stored.cut
    assert (cut.form, cut.truncated_from) == (Form.TRUNCATED, 5_000)
    assert {len(value) for value in kafka.values("dead")} >= {5}
    assert 1_000 < max(map(len, kafka.values("dead"))) < 2_000


async def test_nothing_is_stored_while_a_topic_is_missing() -> None:
    """The sender is told to send again: what was stored already would be there twice."""
    kafka = StubKafka()
    del kafka.partitions["dead"]
    with pytest.raises(KafkaError, match="no such topic: dead"):
        await publisher_on(kafka).store(records(b"a"), [letter()])
    assert kafka.sends == []
    assert kafka.refreshes == 1, "or it would be found again only minutes after it is there"
    await publisher_on(kafka).store(records(b"a"), [])
    assert kafka.values("events") == [b"a"], "a topic that is not needed is not missed"


async def test_without_a_connection_nothing_is_confirmed() -> None:
    """No producer: an error at once."""
    publisher = publisher_on(StubKafka())
    publisher._producer = None
    with pytest.raises(KafkaError, match="no connection"):
        await publisher.store(records(b"a"), [])
