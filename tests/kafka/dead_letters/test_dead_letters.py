"""Dead letters: stored and confirmed before their offsets move, held while the topic cannot be written."""

import asyncio
import json
from types import SimpleNamespace

import pytest
from awaiting import until
from letter_scene import LetterTopic, letters_over
from structlog.testing import capture_logs
from virtual_time import in_virtual_time

from bridge.model.dead_letter import DeadLetter
from bridge.model.record import record_bytes
from bridge.model.verdicts import Rejected, Stage

NO = Rejected(Stage.DELIVER, "aep_400", "refused")


@in_virtual_time
async def test_the_offset_moves_only_after_the_confirmation():
    """Until Kafka has confirmed the letter nothing may be committed."""
    topic = LetterTopic()
    topic.confirm.clear()
    ledger, chunk, letters = letters_over(topic, [b"x"])
    letters.start()
    letters.put(chunk, 0, None, NO, 3)
    await asyncio.sleep(0.05)
    assert not ledger.committable()
    topic.confirm.set()
    await asyncio.sleep(0.05)
    assert ledger.committable() == {("t", 0): 1}
    key, value, headers = topic.stored[0]
    letter = DeadLetter.from_headers(key, value, headers)
    assert (key, value) == (b"k", b"x")
    assert (letter.code, letter.attempts, letter.mapping, letter.offset, letter.replays) == ("aep_400", 3, "abc", 0, 2)
    assert (letter.topic, letter.partition) == ("t", 0)
    assert ("own", b"1") in headers
    await letters.stop()


@in_virtual_time
async def test_a_topic_that_cannot_be_written_holds_everything_and_recovers():
    """Failure: unwritable, nothing acknowledged; then stored and released by itself."""
    topic = LetterTopic(failures=20)
    ledger, chunk, letters = letters_over(topic, [b"x", b"y"])
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    letters.put(chunk, 1, None, NO, 1)
    await asyncio.sleep(0.02)
    assert not letters.writable
    assert not ledger.committable()
    for _ in range(100):
        await asyncio.sleep(0.02)
        if ledger.committable():
            break
    assert letters.writable
    assert [value for _, value, _ in topic.stored] == [b"x", b"y"]
    assert ledger.committable() == {("t", 0): 2}
    await letters.stop()


@pytest.mark.parametrize(("uuid", "told"), [(12345, b"12345"), ("u" * 5_000, b"u" * 200)])
@in_virtual_time
async def test_any_event_uuid_is_told_in_a_header_that_fits(uuid, told):
    """Numbers name an event too, and no event makes its own header grow without bound."""
    topic = LetterTopic()
    _, chunk, letters = letters_over(topic, [json.dumps({"event_uuid": uuid}).encode()])
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    await asyncio.sleep(0.05)
    assert dict(topic.stored[0][2])["bridge.event_uuid"] == told
    await letters.stop()


@in_virtual_time
async def test_letters_of_a_revoked_partition_are_dropped():
    """The partition's next owner will find and store them."""
    topic = LetterTopic(failures=5)
    ledger, chunk, letters = letters_over(topic, [b"x"])
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    ledger.close([("t", 0)])
    await asyncio.sleep(0.2)
    assert not topic.stored
    assert len(letters) == 0
    await letters.stop()


@in_virtual_time
async def test_letters_of_a_revoked_partition_do_not_wait_for_the_topic():
    """While it cannot be written each owner of the partition would leave a copy of them; those of other partitions stay, in order."""
    topic = LetterTopic(failures=10**6)
    ledger, chunk, letters = letters_over(topic, [b"x"])
    records = chunk.records
    ledger.open(2, {("t", 0): 0, ("t", 1): 0})
    ours, theirs = (ledger.register_chunk(("t", each), 2, records, 1, first=0, last=0) for each in (0, 1))
    for each in (theirs, ours, theirs, ours):
        letters.put(each, 0, None, NO, 1)
    ledger.close([("t", 1)])
    letters.forget_closed()
    assert [letter.chunk for letter in letters._queue] == [ours, ours]


@in_virtual_time
async def test_a_value_larger_than_the_topic_takes_is_cut_and_says_so():
    """Better the beginning and the place of the whole than a worker that stands forever."""
    topic = LetterTopic(limit=1_000)
    _, chunk, letters = letters_over(topic, [b"x" * 5_000])
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    await asyncio.sleep(0.05)
    record = topic.stored[0]
    assert record_bytes(record) <= 1_000
    assert DeadLetter.from_headers(*record).truncated_from == 5_000
    await letters.stop()


@in_virtual_time
async def test_a_key_larger_than_the_topic_takes_is_left_out():
    """The source topic may take larger records than the dead-letter topic: no key may hold a partition for ever."""
    topic = LetterTopic(limit=1_000)
    _, chunk, letters = letters_over(topic, [b'{"event_uuid": "u"}'])
    chunk.records[0].key = b"k" * 5_000
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    await asyncio.sleep(0.05)
    key, value, _ = topic.stored[0]
    assert record_bytes(topic.stored[0]) <= 1_000
    assert (key, value) == (None, b'{"event_uuid": "u"}')
    assert DeadLetter.from_headers(*topic.stored[0]).truncated_from is None
    await letters.stop()


@in_virtual_time
async def test_a_null_header_of_another_writer_goes_along():
    """Kafka allows a header without a value: the event is a dead letter all the same, and keeps it."""
    topic = LetterTopic()
    ledger, chunk, letters = letters_over(topic, [b"x"])
    chunk.records[0].headers = [("theirs", None)]
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    await asyncio.sleep(0.05)
    assert ledger.committable() == {("t", 0): 1}
    assert ("theirs", None) in topic.stored[0][2]
    await letters.stop()


@in_virtual_time
async def test_an_unexpected_error_ends_the_worker():
    """Whatever ends the storing is told to who can end the worker; unready meanwhile, and nothing is acknowledged."""

    class Broken(LetterTopic):
        async def publish(self, *_args, **_more):
            raise ValueError("never seen before")

    failures = []
    ledger, chunk, letters = letters_over(Broken(), [b"x"], failures)
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    await until(lambda: failures)
    assert [type(each) for each in failures] == [ValueError]
    assert not letters.writable
    assert not ledger.committable()
    await letters.stop()


@in_virtual_time
async def test_stopping_is_no_failure():
    """The task that is cancelled at the end is not taken for one that broke."""
    failures = []
    _, _, letters = letters_over(LetterTopic(), [b"x"], failures)
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))
    letters.start()
    await asyncio.sleep(0.01)
    await letters.stop()
    assert "dead-letters" not in {task.get_name() for task in asyncio.all_tasks()}, "it has ended by then"
    await asyncio.sleep(0.01)
    assert failures == []


@in_virtual_time
async def test_a_limit_lowered_after_a_letter_was_put():
    """The letter is fitted when it is sent, not when it is put: the topic may take less by then."""
    topic = LetterTopic()
    ledger, chunk, letters = letters_over(topic, [b"x" * 5_000])
    letters.put(chunk, 0, None, NO, 1)
    topic._limit = 1_000
    letters.start()
    await until(ledger.committable)
    assert record_bytes(topic.stored[0]) <= 1_000
    assert letters._metrics.truncated_dead_letters.labels("deliver")._value.get() == 1
    await letters.stop()


@in_virtual_time
async def test_whole_letters_are_not_counted_as_cut():
    """The metric that an alert watches stays at nothing."""
    topic = LetterTopic()
    ledger, chunk, letters = letters_over(topic, [b"x"])
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    await until(ledger.committable)
    assert DeadLetter.from_headers(*topic.stored[0]).form == "event"
    assert next(iter(letters._metrics.truncated_dead_letters.collect())).samples == []
    assert letters._metrics.dead_letters.labels("deliver", "aep_400")._value.get() == 1
    await letters.stop()


@in_virtual_time
async def test_failures_in_a_row_wait_longer_each_time():
    """By their number, which begins anew when the topic has taken something; told once for each time it cannot be written."""
    topic, waited = LetterTopic(failures=3), []
    ledger, chunk, letters = letters_over(topic, [b"x", b"y"])
    letters._backoff = SimpleNamespace(delay=lambda failures: waited.append(failures) or 0.0)
    with capture_logs() as logged:
        letters.start()
        letters.put(chunk, 0, None, NO, 1)
        await until(lambda: len(letters) == 0)
        topic.failures = 1
        letters.put(chunk, 1, None, NO, 1)
        await until(ledger.committable)
        await until(lambda: ledger.committable() == {("t", 0): 2})
        await letters.stop()
    assert waited == [1, 2, 3, 1]
    told = [line["event"] for line in logged if line["event"].endswith("writable")]
    assert told == ["dead_letters_unwritable", "dead_letters_writable"] * 2


@in_virtual_time
async def test_letters_count_until_they_are_confirmed():
    """Those in the queue and those under way: a drain waits for both."""
    topic = LetterTopic()
    topic.confirm.clear()
    _, chunk, letters = letters_over(topic, [b"x"] * 3)
    assert (len(letters), letters.writable) == (0, True)
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    await asyncio.sleep(0.01)
    letters.put(chunk, 1, None, NO, 1)
    letters.put(chunk, 2, None, NO, 1)
    await asyncio.sleep(0.01)
    assert (len(letters), len(topic.stored)) == (3, 0)
    topic.confirm.set()
    await until(lambda: len(letters) == 0)
    assert len(topic.stored) == 3
    await letters.stop()


@in_virtual_time
async def test_a_backlog_is_stored_in_order_and_in_parts():
    """Five hundred at a time, so that one call does not hold them all."""
    calls = []

    class Counting(LetterTopic):
        async def publish(self, records, *, topic=None):
            calls.append(len(records))
            await super().publish(records, topic=topic)

    topic = Counting()
    ledger, chunk, letters = letters_over(topic, [b"%d" % n for n in range(1_001)])
    for row in range(1_001):
        letters.put(chunk, row, None, NO, 1)
    letters.start()
    await until(ledger.committable)
    assert calls == [500, 500, 1]
    assert [int(value) for _, value, _ in topic.stored] == list(range(1_001))
    await letters.stop()


@in_virtual_time
async def test_the_letter_of_a_replayed_xdm_is_xdm_again():
    """Refused once more it keeps its form, so that the next replay does not map it either, and is found by its ``_id``."""
    topic = LetterTopic()
    _, chunk, letters = letters_over(topic, [b'{"_id":"e1"}', b"{broken"])
    for record in chunk.records:
        record.headers = [("bridge.form", b"xdm"), ("bridge.replays", b"1")]
    letters.start()
    for row in (0, 1):
        letters.put(chunk, row, None, NO, 1)
    await asyncio.sleep(0.05)
    await letters.stop()
    stored = [DeadLetter.from_headers(*record) for record in topic.stored]
    assert [(one.form, one.event_uuid, one.value, one.replays) for one in stored] == [
        ("xdm", "e1", b'{"_id":"e1"}', 1),
        ("xdm", None, b"{broken", 1),
    ]
