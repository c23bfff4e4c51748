"""Which records does Kafka refuse for good? They are found and told, and cost no neighbour: on topics in memory, with real batches."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import errors
from hypothesis import given
from hypothesis import strategies as st
from published_records import NOISE, publisher_place, records, refuse
from structlog.testing import capture_logs
from stub_kafka import StubKafka, publisher_on

from bridge.kafka.producer.isolation import Entry, isolate
from bridge.kafka.producer.refusal import InvalidRecordError, Refused, RefusedByKafka, code_of, is_final
from bridge.model.errors import KafkaError


async def test_a_guilty_record_costs_no_neighbour() -> None:
    """Of a hundred records one is refused: the others are stored, once each, in order, and the one is named."""
    kafka = StubKafka()
    kafka.refuse = refuse(b"41")
    with pytest.raises(RefusedByKafka) as caught:
        await publisher_on(kafka).publish(records(*(b"%d" % n for n in range(100))))
    ((number, code),) = [(each.number, each.code) for each in caught.value.refused]
    assert (number, code) == (41, "kafka_invalid_record")
    assert kafka.values("events") == [b"%d" % n for n in range(100) if n != 41]
    assert len(kafka.sends) < 20, "found by halves, not one by one"


@given(st.sets(st.integers(0, 59), max_size=20), st.integers(1, 4))
async def test_any_guilty_records_are_found(guilty, partitions) -> None:
    """Whatever records are refused, in whatever partitions: exactly those are named, and exactly the others stored, once."""
    kafka = StubKafka(partitions=partitions)
    kafka.refuse = refuse(*(b"%d" % n for n in guilty))
    made = [(b"key-%d" % (n % 7), b"%d" % n, ()) for n in range(60)]
    publisher = publisher_on(kafka)
    if guilty:
        with pytest.raises(RefusedByKafka) as caught:
            await publisher.publish(made)
        assert {each.number for each in caught.value.refused} == guilty
    else:
        await publisher.publish(made)
    assert sorted(map(int, kafka.values("events"))) == sorted(set(range(60)) - guilty)


async def test_other_callers_in_the_same_batch_are_stored() -> None:
    """Two requests share a batch that is refused for a record of one: the other hears that all is stored."""
    kafka = StubKafka()
    kafka.refuse = refuse(b"bad")
    publisher = publisher_on(kafka)
    guilty, innocent = await asyncio.gather(
        publisher.publish(records(b"a", b"bad")), publisher.publish(records(b"b")), return_exceptions=True
    )
    assert isinstance(guilty, RefusedByKafka)
    assert innocent is None
    assert sorted(kafka.values("events")) == [b"a", b"b"]


async def test_trouble_of_the_brokers_is_no_refusal() -> None:
    """An unknown error for every record is the broker's own trouble: not confirmed, and nobody is accused."""
    kafka = StubKafka()
    kafka.refuse = lambda _topic, _record: errors.UnknownError()
    publisher = publisher_on(kafka)
    for count in (1, 2, 500):
        with pytest.raises(KafkaError) as caught:
            await publisher.publish(records(*(b"%d" % n for n in range(count))))
        assert not isinstance(caught.value, RefusedByKafka)
    assert len(kafka.sends) < 200, "no storm of retries"


async def test_an_unknown_error_that_follows_one_record_is_one() -> None:
    """The broker fails for one record whenever it comes while its neighbours pass: that one is refused, after a second try."""
    kafka = StubKafka()
    kafka.refuse = refuse(b"bad", error=errors.UnknownError)
    with pytest.raises(RefusedByKafka) as caught:
        await publisher_on(kafka).publish(records(b"a", b"bad", b"b"))
    assert [(each.number, each.code) for each in caught.value.refused] == [(1, "kafka_unknown_error")]
    assert kafka.values("events") == [b"a", b"b"]


@pytest.mark.parametrize(("bad", "found"), [(1, True), (2, True), (3, False)])
async def test_doubt_ends_with_the_third_record_while_none_has_passed(bad, found) -> None:
    """Until then it is looked for one that passes; a broker that refuses three in a row has trouble of its own."""
    kafka = StubKafka()
    kafka.refuse = refuse(*(b"bad-%d" % n for n in range(bad)), error=errors.UnknownError)
    with pytest.raises(KafkaError) as caught:
        await publisher_on(kafka).publish(records(*(b"bad-%d" % n for n in range(bad)), b"a", b"b"))
    assert isinstance(caught.value, RefusedByKafka) is found
    if found:
        assert [each.number for each in caught.value.refused] == list(range(bad))
        assert caught.value.refused[0].reason.startswith("events does not accept the record: ")
        assert kafka.values("events") == [b"a", b"b"]


async def test_a_record_of_another_partition_that_passes_shows_that_the_topic_takes_records() -> None:
    """The one that is refused is alone in its partition: it is judged by those of the same call."""
    kafka = StubKafka(partitions=2)
    publisher = publisher_on(kafka)
    first, second = (next(b"%d" % n for n in range(20) if publisher_place(publisher, b"%d" % n) == at) for at in (0, 1))
    kafka.refuse = refuse(b"bad", error=errors.UnknownError)
    with pytest.raises(RefusedByKafka) as caught:
        await publisher.publish([(first, b"bad", ()), (second, b"a", ())])
    assert [each.number for each in caught.value.refused] == [0]
    with pytest.raises(KafkaError) as unknown:
        await publisher.publish([(first, b"bad", ())])
    assert not isinstance(unknown.value, RefusedByKafka), "of another call nothing is known"


async def test_an_unknown_error_that_passes_is_nothing() -> None:
    """A record that a broker in trouble refused twice and took then is stored, and nobody hears of it."""
    kafka = StubKafka()
    times = iter(range(100))
    kafka.refuse = lambda _topic, record: errors.UnknownError() if record.value == b"x" and next(times) < 2 else None
    with capture_logs() as logs:
        await publisher_on(kafka).publish(records(b"a", b"x", b"b"))
    assert sorted(kafka.values("events")) == [b"a", b"b", b"x"]
    assert logs == []


@pytest.mark.parametrize(
    "error",
    [errors.InvalidTimestampError, errors.PolicyViolationError, errors.RecordListTooLargeError, InvalidRecordError],
)
async def test_final_answers_are_final_for_a_record_alone(error) -> None:
    """Each answer of Kafka's that is about a record makes it refused at once, also without a neighbour."""
    kafka = StubKafka()
    kafka.refuse = refuse(b"bad", error=error)
    with pytest.raises(RefusedByKafka):
        await publisher_on(kafka).publish(records(b"bad"))
    assert len(kafka.sends) == 2, "once among others, once alone"


@pytest.mark.parametrize(
    "error", [errors.NotEnoughReplicasError, errors.TopicAuthorizationFailedError, errors.KafkaTimeoutError, OSError]
)
async def test_what_has_nothing_to_do_with_records_is_not_confirmed(error) -> None:
    """Missing replicas, rights, time: not confirmed, sent once."""
    kafka = StubKafka()
    kafka.refuse = refuse(b"bad", error=error)
    with pytest.raises(KafkaError, match="not confirmed") as caught:
        await publisher_on(kafka).publish(records(b"bad"))
    assert not isinstance(caught.value, RefusedByKafka)
    assert len(kafka.sends) == 1


def test_kafka_names_an_invalid_record() -> None:
    """Aiokafka calls code 87 unknown; here it has its name, and is final."""
    answer = errors.for_code(87)
    assert answer is InvalidRecordError
    assert is_final(answer())
    assert code_of(answer()) == "kafka_invalid_record"


def test_a_refusal_says_how_many_and_why_the_first() -> None:
    """In the words that a log line takes."""
    refused = [Refused(3, "too_large", "the record is 9 bytes; events takes 5"), Refused(4, "other", "no")]
    assert str(RefusedByKafka(refused)) == (
        "Kafka will not store 2 of the records: the record is 9 bytes; events takes 5"
    )


@pytest.mark.parametrize(("error", "told"), [(OSError(), "OSError"), (OSError("reset by peer"), "reset by peer")])
async def test_what_was_not_confirmed_says_why(error, told) -> None:
    """In the words of the error, or by its name where it has none."""
    kafka = StubKafka()
    kafka.refuse = lambda _topic, _record: error
    with pytest.raises(KafkaError) as caught:
        await publisher_on(kafka).publish(records(b"a"))
    assert str(caught.value) == f"Kafka has not confirmed: {told}"


async def test_records_that_are_refused_for_different_reasons_are_named_by_their_place() -> None:
    """Those that are too large are never sent; all others are stored, in their order."""
    kafka = StubKafka()
    kafka.refuse = refuse(b"bad")
    publisher = publisher_on(kafka)
    large = NOISE[:1_100_000]
    with capture_logs() as logs, pytest.raises(RefusedByKafka) as caught:
        await publisher.publish(records(b"a", large, b"b", large, b"bad", b"c"))
    assert [(line["event"], line["count"], line["codes"]) for line in logs] == [
        ("kafka_refused_records", 1, ["kafka_invalid_record"])
    ]
    found = [(each.number, each.code) for each in caught.value.refused]
    assert found == [(1, "too_large"), (3, "too_large"), (4, "kafka_invalid_record")]
    assert kafka.values("events") == [b"a", b"b", b"c"]


async def test_nothing_is_sent_behind_a_call_that_has_failed() -> None:
    """One partition is not confirmed at once, another one takes its time: the caller hears when both are settled."""
    settled = []

    async def send(entries):
        if entries[0].partition == 0:
            raise KafkaError("Kafka has not confirmed")
        await asyncio.sleep(0.02)
        settled.append(entries[0].number)
        return {}

    suspects = [Entry(number, "events", number, (None, b"x", ()), 1) for number in range(2)]
    with pytest.raises(KafkaError, match="not confirmed"):
        await isolate(suspects, set(), send=send, oversize=lambda _entry: None)
    assert settled == [1]
