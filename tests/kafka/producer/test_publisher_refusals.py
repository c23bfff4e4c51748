"""What Kafka refuses for good is found and told, and costs no neighbour: the publisher on topics in memory, with real batches."""

from __future__ import annotations

import asyncio
import random

import pytest
from aiokafka import errors
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from stub_kafka import StubKafka, publisher_on

from bridge.kafka.producer.isolation import Entry, isolate
from bridge.kafka.producer.refusal import InvalidRecordError, Refused, RefusedByKafka, code_of, is_final
from bridge.model.dead_letter import DeadLetter, Form
from bridge.model.errors import KafkaError
from bridge.model.record import record_bytes

NOISE = random.Random(1).randbytes(3_000_000)


def refuse(*values, error=InvalidRecordError):
    """Refuse batches that hold one of these values."""
    return lambda _topic, record: error() if record.value in values else None


def records(*values, key=b"k"):
    """Records of one key."""
    return [(key, value, ()) for value in values]


@pytest.mark.parametrize("limit", [200, 300, 1_000, 5_000, 70_000, 300_000, 1_048_588, 2_500_000])
@pytest.mark.parametrize("noise", [True, False])
async def test_a_record_at_the_limit_fits_whether_or_not_it_compresses(limit, noise) -> None:
    """The publisher's own limit leaves room for what a batch and a codec add; headers with long names count in bytes."""
    kafka = StubKafka()
    kafka.limits["events"] = limit
    publisher = publisher_on(kafka)
    headers = [("ü" * 20, None)] if limit > 200 else []
    room = publisher.event_limit - record_bytes((b"k", b"", headers))
    record = (b"k", (NOISE if noise else b"x" * len(NOISE))[:room], headers)
    await publisher.publish([record])
    assert len(kafka.stored["events"]) == 1
    assert publisher.event_limit > limit * 0.99 - 200, "the room is not wasted"


async def test_records_go_to_the_partition_that_is_named() -> None:
    """Whatever their keys; without a value a compacted topic forgets the key; a topic that is not there is not known."""
    kafka = StubKafka(topics=("events", "dead", "state"), partitions=4)
    publisher = publisher_on(kafka)
    await publisher.publish([(b"a", b"1", ()), (b"b", b"2", ()), (b"a", None, ())], topic="state", partition=3)
    assert kafka.places == [(3, b"a"), (3, b"b"), (3, b"a")]
    assert kafka.values("state") == [b"1", b"2", None]
    assert publisher.knows("state")
    assert not publisher.knows("gone")
    assert kafka.refreshes == 1


async def test_a_topic_of_one_partition_is_known() -> None:
    """The smallest that there is."""
    assert publisher_on(StubKafka(partitions=1)).knows("events")


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


async def test_a_lowered_limit_is_read_again_though_small_events_pass() -> None:
    """The topic takes less than it did: the large event is refused at once, its small neighbour stored, batches get smaller."""
    kafka = StubKafka()
    publisher = publisher_on(kafka)
    await publisher.publish(records(b"small"))
    kafka.limits["events"] = 200_000
    with pytest.raises(RefusedByKafka) as caught:
        await publisher.publish(records(NOISE[:300_000], b"neighbour"))
    assert [(each.number, each.code) for each in caught.value.refused] == [(0, "too_large")]
    assert kafka.values("events") == [b"small", b"neighbour"]
    assert publisher.event_limit < 200_000
    sent = len(kafka.sends)
    await publisher.publish(records(*(NOISE[n * 9_000 : n * 9_000 + 9_000] for n in range(100))))
    assert len(kafka.stored["events"]) == 102
    assert len(kafka.sends) - sent < 8, "batches are filled by the new limit, none is refused"


async def test_a_limit_that_nobody_tells_is_found_by_trying() -> None:
    """Without the right to describe configurations a batch that is too large is halved until it passes."""
    kafka = StubKafka()
    kafka.limits_are_told = False
    publisher = publisher_on(kafka)
    kafka.limits["events"] = 100_000
    with pytest.raises(RefusedByKafka) as caught:
        await publisher.publish(records(*(NOISE[n * 30_000 : n * 30_000 + 30_000] for n in range(10)), NOISE[:150_000]))
    assert [each.number for each in caught.value.refused] == [10]
    assert len(kafka.stored["events"]) == 10


# store: events and dead letters together.


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


def publisher_place(publisher, key):
    """The partition of a key."""
    from aiokafka.partitioner import murmur2

    return (murmur2(key) & 0x7FFFFFFF) % len(publisher._producer.cluster.partitions_for_topic("events"))


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


async def test_a_neighbour_at_the_very_limit_is_stored() -> None:
    """A record that is as large as the topic takes is not taken for too large while another one is looked for."""
    kafka = StubKafka()
    kafka.limits["events"] = 50_000
    kafka.refuse = refuse(b"bad")
    publisher = publisher_on(kafka)
    largest = NOISE[: publisher.event_limit - 1]
    with pytest.raises(RefusedByKafka) as caught:
        await publisher.publish(records(largest, b"bad"))
    assert [each.number for each in caught.value.refused] == [1]
    assert kafka.values("events") == [largest]


async def test_a_key_decides_about_the_partition_as_with_every_other_client() -> None:
    """Records of one key lie in one partition, the one that Kafka's own clients choose; those without a key stay together."""
    kafka = StubKafka(partitions=5)
    publisher = publisher_on(kafka)
    keys = [b"user-%d" % n for n in range(50)]
    await publisher.publish([(key, b"%d" % n, ()) for n, key in enumerate(keys)])
    assert sorted(kafka.places) == sorted((publisher_place(publisher, key), key) for key in keys)
    assert {key: place for place, key in kafka.places}[b"user-0"] == 3, "also after an upgrade"
    kafka.places.clear()
    await publisher.publish([(None, b"%d" % n, ()) for n in range(50)])
    assert len({place for place, _ in kafka.places}) == 1


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


async def test_a_record_at_the_very_limit_of_now_is_stored() -> None:
    """The topic takes less than it did, and exactly this record still: it is sent alone, and its neighbour beside it."""
    kafka = StubKafka()
    publisher = publisher_on(kafka)
    kafka.limits["events"] = 50_000
    limit = publisher_on(kafka).event_limit
    largest, other = NOISE[: limit - 1], NOISE[:30_000]
    await publisher.publish(records(largest, other))
    assert kafka.values("events") == [largest, other]
    assert publisher.event_limit == limit


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
