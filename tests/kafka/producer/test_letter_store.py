"""Dead letters are stored whatever their topic takes: on topics in memory, with real batches."""

from __future__ import annotations

import asyncio
import random

import pytest
from aiokafka import errors
from stub_kafka import StubKafka, publisher_on

from bridge.kafka.producer.letter_store import LetterFit, store_letters
from bridge.kafka.producer.refusal import TOO_LARGE, InvalidRecordError, Refused
from bridge.model.dead_letter import DeadLetter, Form
from bridge.model.errors import KafkaError
from bridge.model.record import record_bytes

NOISE = random.Random(1).randbytes(1_200_000)
ENDLESS = 60
"""Seconds after which a search for what fits is one without an end; how long it takes is the machine's business."""


def letters(*values, **more):
    """A letter each."""
    made = {"topic": "events", "partition": 0, "offset": 5, **more}
    return [LetterFit(DeadLetter(b"k", value, "map", "code", "why", **made), [("own", b"1")]) for value in values]


def read(kafka):
    """What is stored, as letters."""
    return [DeadLetter.from_headers(r.key, r.value, r.headers) for r in kafka.stored["dead"]]


@pytest.mark.parametrize("limit", [150, 300, 1_000, 100_000, 1_048_588])
@pytest.mark.parametrize("told", [True, False])
async def test_any_limit_takes_a_letter(limit, told) -> None:
    """What does not compress, in a topic of any limit, known or found by trying: stored, its neighbours whole."""
    kafka = StubKafka()
    kafka.limits["dead"] = limit
    kafka.limits_are_told = told
    publisher = publisher_on(kafka)
    async with asyncio.timeout(ENDLESS):
        await store_letters(publisher, "dead", letters(b"small", NOISE))
    stored = read(kafka)
    assert len(stored) == 2
    (cut,) = [each for each in stored if len(each.value) != 5 or each.form == Form.TRUNCATED][-1:]
    assert cut.form == Form.TRUNCATED
    if limit >= 1_000:
        assert b"small" in [each.value for each in stored]
        assert (cut.truncated_from, cut.offset) == (len(NOISE), 5)
        assert len(cut.value) > limit / 5, "as much of it as fits, or half where the limit had to be found"


async def test_a_limit_lowered_while_letters_wait() -> None:
    """A letter is fitted when it is sent, and again when the topic takes less than it was thought to."""
    kafka = StubKafka()
    publisher = publisher_on(kafka)
    waiting = letters(NOISE[:50_000])
    kafka.limits["dead"] = 40_000
    await store_letters(publisher, "dead", waiting)
    (stored,) = read(kafka)
    assert 39_000 < len(stored.value) < 40_000, "as much as fits by now"
    assert waiting[0].newly_cut
    assert waiting[0].stored.form == Form.TRUNCATED


async def test_what_fits_is_stored_as_it_is() -> None:
    """Key, value and the headers that it came with."""
    kafka = StubKafka()
    (whole,) = letters(b"x")
    await store_letters(publisher_on(kafka), "dead", [whole])
    (record,) = kafka.stored["dead"]
    assert (record.key, record.value) == (b"k", b"x")
    assert ("own", b"1") in record.headers
    assert not whole.newly_cut
    assert whole.stored is whole.letter


async def test_a_topic_that_takes_no_record_without_a_key() -> None:
    """A topic that was compacted while we run: the letter gets a key that no other has, and stays whole."""
    kafka = StubKafka()
    kafka.refuse = lambda _topic, record: InvalidRecordError() if record.key is None else None
    keyless = [LetterFit(DeadLetter(None, b"%d" % n, "receive", "not_json", "why")) for n in range(3)]
    await store_letters(publisher_on(kafka), "dead", keyless)
    stored = read(kafka)
    assert sorted(each.value for each in stored) == [b"0", b"1", b"2"]
    assert len({each.key for each in stored}) == 3
    assert {each.form for each in stored} == {"event"}


async def test_a_letter_that_is_refused_for_what_it_holds() -> None:
    """A broker that will not take the value takes the place; one that takes nothing at all is an error, and no endless loop."""
    kafka = StubKafka()
    kafka.refuse = lambda _topic, record: errors.PolicyViolationError() if record.value else None
    await store_letters(publisher_on(kafka), "dead", letters(b"forbidden"))
    (stored,) = read(kafka)
    assert (stored.value, stored.form, stored.truncated_from, stored.offset) == (b"", Form.TRUNCATED, 9, 5)
    kafka.refuse = lambda _topic, _record: errors.PolicyViolationError()
    async with asyncio.timeout(ENDLESS):
        with pytest.raises(KafkaError, match="no letter at all"):
            await store_letters(publisher_on(kafka), "dead", letters(b"forbidden"))


@pytest.mark.parametrize("told", [True, False])
async def test_a_topic_that_takes_nothing_is_an_error_and_mended_it_takes_the_whole(told) -> None:
    """Below what the smallest letter needs: an error that says so; once the limit is raised the event is stored whole."""
    kafka = StubKafka()
    kafka.limits["dead"] = 60
    kafka.limits_are_told = told
    publisher = publisher_on(kafka)
    waiting = letters(b"x" * 400)
    async with asyncio.timeout(ENDLESS):
        with pytest.raises(KafkaError, match="does not even accept") as caught:
            await store_letters(publisher, "dead", waiting)
    assert "max.message.bytes" in (caught.value.hint or "")
    kafka.limits["dead"] = 1_048_588
    await publisher._limits.read_again()
    await store_letters(publisher, "dead", waiting)
    assert [each.value for each in read(kafka)] == [b"x" * 400]
    assert not waiting[0].newly_cut


async def test_not_confirmed_is_not_stored() -> None:
    """Trouble of the brokers is told; nothing is cut for it."""
    kafka = StubKafka()
    kafka.refuse = lambda _topic, _record: errors.NotEnoughReplicasError()
    waiting = letters(b"x")
    with pytest.raises(KafkaError, match="not confirmed"):
        await store_letters(publisher_on(kafka), "dead", waiting)
    assert record_bytes(waiting[0].record(1_000)) > 0
    assert not waiting[0].newly_cut


@pytest.mark.parametrize(
    ("value", "uuid"), [(b'{"event_uuid":"e-1","event_code":"X"}', "e-1"), (b'{"event_code":"X"}', None), (b"{", None)]
)
def test_an_event_that_its_topic_refuses_is_found_by_its_id(value, uuid) -> None:
    """The letter of an event that Kafka refused at the receiver names the event, as every other letter does."""
    letter = LetterFit.of_event((b"k", value, ()), Refused(0, "too_large", "why")).stored
    assert (letter.event_uuid, letter.value) == (uuid, value)


def test_a_letter_that_is_refused_before_it_was_tried_is_made_smaller() -> None:
    """By what it would have been at the limit that is known."""
    (waiting,) = letters(b"x" * 5_000)
    waiting.shrink(Refused(0, TOO_LARGE, "no"), 2_000)
    assert record_bytes(waiting.record(2_000)) == 1_000


async def test_a_letter_that_was_cut_and_is_refused_for_what_is_left_of_it() -> None:
    """The topic takes no such value, cut or whole: the place is stored without it."""
    kafka = StubKafka()
    kafka.limits["dead"] = 1_000
    kafka.refuse = lambda _topic, record: errors.PolicyViolationError() if record.value else None
    await store_letters(publisher_on(kafka), "dead", letters(NOISE[:5_000]))
    (stored,) = read(kafka)
    assert (stored.value, stored.form, stored.truncated_from, stored.offset) == (b"", Form.TRUNCATED, 5_000, 5)
