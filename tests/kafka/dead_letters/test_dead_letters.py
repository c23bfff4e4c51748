"""Dead letters: stored and confirmed before their offsets move, held while the topic cannot be written."""

import asyncio
import json
from random import Random
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from bridge.kafka.consumer.ledger import Ledger
from bridge.kafka.dead_letters.store import DeadLetters
from bridge.model.backoff import Backoff
from bridge.model.dead_letter import DeadLetter
from bridge.model.errors import KafkaError
from bridge.model.record import record_bytes
from bridge.model.verdicts import Rejected, Stage
from bridge.sources.moengage.decoder import DECODER
from bridge.telemetry.metrics import Metrics
from bridge.testing.virtual_loop import VirtualLoop

NO = Rejected(Stage.DELIVER, "aep_400", "refused")


class _Topic:
    """Fails so many times, then stores; confirms when told."""

    def __init__(self, failures=0, limit=1_000_000):
        self.failures, self._limit, self.stored = failures, limit, []
        self.confirm = asyncio.Event()
        self.confirm.set()

    def limit(self, _topic):
        return self._limit

    async def publish(self, records, *, topic=None):
        assert topic == "dead"
        if self.failures:
            self.failures -= 1
            raise KafkaError("away")
        await self.confirm.wait()
        self.stored += records


def _scene(topic, values, failures=None):
    failures = [] if failures is None else failures
    ledger = Ledger()
    ledger.open(1, {("t", 0): None})
    records = [
        SimpleNamespace(
            value=value, key=b"k", timestamp=0, topic="t", partition=0, offset=n, headers=[("own", b"1"), ("bridge.replays", b"2")]
        )
        for n, value in enumerate(values)
    ]  # fmt: skip
    chunk = ledger.register_chunk(("t", 0), 1, records, 1, first=0, last=len(values) - 1)
    chunk.mapping = "abc"
    ledger.admit(chunk, len(values))
    letters = DeadLetters(
        topic, "dead", Metrics(), DECODER, stored=ledger.resolve,
        backoff=Backoff(Random(1), base=0.01, cap=0.01), on_failure=failures.append,
        clock=asyncio.get_running_loop().time,
    )  # fmt: skip
    return ledger, chunk, letters


async def test_the_offset_moves_only_after_the_confirmation():
    """Until Kafka has confirmed the letter nothing may be committed."""
    topic = _Topic()
    topic.confirm.clear()
    ledger, chunk, letters = _scene(topic, [b"x"])
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


async def test_a_topic_that_cannot_be_written_holds_everything_and_recovers():
    """Failure: unwritable, nothing acknowledged; then stored and released by itself."""
    topic = _Topic(failures=20)
    ledger, chunk, letters = _scene(topic, [b"x", b"y"])
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


async def test_an_event_of_a_batch_lies_alone_in_its_envelope():
    """Neighbours in the same record are not dragged along."""
    topic = _Topic()
    body = {"app_name": "Luma", "events": [{"event_uuid": "a"}, {"event_uuid": "b"}]}
    _, chunk, letters = _scene(topic, [json.dumps(body).encode()])
    letters.start()
    letters.put(chunk, 0, 1, NO, 1)
    await asyncio.sleep(0.05)
    _, value, headers = topic.stored[0]
    assert json.loads(value) == {"app_name": "Luma", "events": [{"event_uuid": "b"}]}
    assert ("bridge.event_uuid", b"b") in headers
    await letters.stop()


@pytest.mark.parametrize(("uuid", "told"), [(12345, b"12345"), ("u" * 5_000, b"u" * 200)])
async def test_any_event_uuid_is_told_in_a_header_that_fits(uuid, told):
    """Numbers name an event too, and no event makes its own header grow without bound."""
    topic = _Topic()
    _, chunk, letters = _scene(topic, [json.dumps({"event_uuid": uuid}).encode()])
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    await asyncio.sleep(0.05)
    assert dict(topic.stored[0][2])["bridge.event_uuid"] == told
    await letters.stop()


async def test_letters_of_a_revoked_partition_are_dropped():
    """The partition's next owner will find and store them."""
    topic = _Topic(failures=5)
    ledger, chunk, letters = _scene(topic, [b"x"])
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    ledger.close([("t", 0)])
    await asyncio.sleep(0.2)
    assert not topic.stored
    assert len(letters) == 0
    await letters.stop()


async def test_a_value_larger_than_the_topic_takes_is_cut_and_says_so():
    """Better the beginning and the place of the whole than a worker that stands forever."""
    topic = _Topic(limit=1_000)
    _, chunk, letters = _scene(topic, [b"x" * 5_000])
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    await asyncio.sleep(0.05)
    record = topic.stored[0]
    assert record_bytes(record) <= 1_000
    assert DeadLetter.from_headers(*record).truncated_from == 5_000
    await letters.stop()


async def test_a_key_larger_than_the_topic_takes_is_left_out():
    """The source topic may take larger records than the dead-letter topic: no key may hold a partition for ever."""
    topic = _Topic(limit=1_000)
    _, chunk, letters = _scene(topic, [b'{"event_uuid": "u"}'])
    chunk.records[0].key = b"k" * 5_000
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    await asyncio.sleep(0.05)
    key, value, _ = topic.stored[0]
    assert record_bytes(topic.stored[0]) <= 1_000
    assert (key, value) == (None, b'{"event_uuid": "u"}')
    assert DeadLetter.from_headers(*topic.stored[0]).truncated_from is None
    await letters.stop()


async def test_a_null_header_of_another_writer_goes_along():
    """Kafka allows a header without a value: the event is a dead letter all the same, and keeps it."""
    topic = _Topic()
    ledger, chunk, letters = _scene(topic, [b"x"])
    chunk.records[0].headers = [("theirs", None)]
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    await asyncio.sleep(0.05)
    assert ledger.committable() == {("t", 0): 1}
    assert ("theirs", None) in topic.stored[0][2]
    await letters.stop()


async def _until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - it is the state that is watched
            await asyncio.sleep(0.01)


async def test_an_unexpected_error_ends_the_worker():
    """Whatever ends the storing is told to who can end the worker; unready meanwhile, and nothing is acknowledged."""

    class Broken(_Topic):
        async def publish(self, *_args, **_more):
            raise ValueError("never seen before")

    failures = []
    ledger, chunk, letters = _scene(Broken(), [b"x"], failures)
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    await _until(lambda: failures)
    assert [type(each) for each in failures] == [ValueError]
    assert not letters.writable
    assert not ledger.committable()
    await letters.stop()


async def test_stopping_is_no_failure():
    """The task that is cancelled at the end is not taken for one that broke."""
    failures = []
    _, _, letters = _scene(_Topic(), [b"x"], failures)
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))
    letters.start()
    await asyncio.sleep(0.01)
    await letters.stop()
    assert "dead-letters" not in {task.get_name() for task in asyncio.all_tasks()}, "it has ended by then"
    await asyncio.sleep(0.01)
    assert failures == []


async def test_a_limit_lowered_after_a_letter_was_put():
    """The letter is fitted when it is sent, not when it is put: the topic may take less by then."""
    topic = _Topic()
    ledger, chunk, letters = _scene(topic, [b"x" * 5_000])
    letters.put(chunk, 0, None, NO, 1)
    topic._limit = 1_000
    letters.start()
    await _until(ledger.committable)
    assert record_bytes(topic.stored[0]) <= 1_000
    assert letters._metrics.truncated_dead_letters.labels("deliver")._value.get() == 1
    await letters.stop()


async def test_whole_letters_are_not_counted_as_cut():
    """The metric that an alert watches stays at nothing."""
    topic = _Topic()
    ledger, chunk, letters = _scene(topic, [b"x"])
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    await _until(ledger.committable)
    assert DeadLetter.from_headers(*topic.stored[0]).form == "event"
    assert next(iter(letters._metrics.truncated_dead_letters.collect())).samples == []
    assert letters._metrics.dead_letters.labels("deliver", "aep_400")._value.get() == 1
    await letters.stop()


def _batch(count):
    return json.dumps({"app_name": "Luma", "events": [{"event_uuid": f"u{n}"} for n in range(count)]}).encode()


async def test_many_equal_refusals_of_one_record_are_one_letter():
    """Twenty get letters of their own, the record as it came stands for all that follow; every one of them is acknowledged."""
    topic = _Topic()
    topic.confirm.clear()
    ledger, chunk, letters = _scene(topic, [_batch(100)])
    chunk.unresolved = 100
    letters.start()
    for part in range(50):
        letters.put(chunk, 0, part, NO, 1)
    await asyncio.sleep(0.01)
    for part in range(50, 80):
        letters.put(chunk, 0, part, NO, 1)
    topic.confirm.set()
    await _until(lambda: len(letters) == 0)
    for part in range(80, 99):
        letters.put(chunk, 0, part, NO, 1)
    letters.put(chunk, 0, 99, Rejected(Stage.DELIVER, "other", "why"), 1)
    await _until(ledger.committable)
    stored = [DeadLetter.from_headers(*record) for record in topic.stored]
    assert len(stored) == 22
    assert [each.event_uuid for each in stored[:20]] == [f"u{n}" for n in range(20)]
    assert (stored[20].value, stored[20].event_uuid) == (_batch(100), None)
    assert (stored[21].event_uuid, stored[21].code) == ("u99", "other")
    assert letters._metrics.rejected_events.labels("deliver", "aep_400")._value.get() == 99
    await letters.stop()


async def test_a_letter_tells_for_how_many_it_stands():
    """Refusals that come before the letter leaves are in its header."""
    topic = _Topic()
    ledger, chunk, letters = _scene(topic, [_batch(60)])
    chunk.unresolved = 60
    for part in range(60):
        letters.put(chunk, 0, part, NO, 1)
    letters.start()
    await _until(ledger.committable)
    assert DeadLetter.from_headers(*topic.stored[20]).events == 40
    await letters.stop()


async def test_a_record_that_the_topic_cannot_take_whole_stands_for_nothing():
    """Events would be cut off: then every one has its own letter."""
    topic = _Topic(limit=4_000)
    ledger, chunk, letters = _scene(topic, [_batch(60)])
    chunk.unresolved = 60
    letters.start()
    for part in range(60):
        letters.put(chunk, 0, part, NO, 1)
    await _until(ledger.committable)
    assert [DeadLetter.from_headers(*record).event_uuid for record in topic.stored] == [f"u{n}" for n in range(60)]
    await letters.stop()


async def test_letters_of_one_record_cost_linear_time(monkeypatch):
    """A record is parsed once for all of its events that are refused with different codes."""
    from bridge.sources.http import json_decoding

    parsed = []
    genuine = json_decoding.parse_json
    monkeypatch.setattr(json_decoding, "parse_json", lambda value: parsed.append(1) or genuine(value))
    _, chunk, letters = _scene(_Topic(), [_batch(2_000)])
    for part in range(2_000):
        letters.put(chunk, 0, part, Rejected(Stage.DELIVER, f"code{part}", "why"), 1)
    assert len(parsed) == 1


async def test_records_are_not_mixed_up():
    """Two records in turn, and more of them than are remembered: each letter holds its own event."""
    topic = _Topic()
    values = [json.dumps({"events": [{"event_uuid": f"{n}-{part}"} for part in range(3)]}).encode() for n in range(20)]
    ledger, chunk, letters = _scene(topic, values)
    chunk.unresolved = 60
    for part in range(3):
        for row in range(20):
            letters.put(chunk, row, part, NO, 1)
    letters.start()
    await _until(ledger.committable)
    assert [json.loads(value)["events"][0]["event_uuid"] for _, value, _ in topic.stored] == [
        f"{n}-{part}" for part in range(3) for n in range(20)
    ]
    assert len(letters._parts._records) <= 8
    await letters.stop()


async def test_the_log_tells_once_a_minute_what_was_stored():
    """The first at once, then by stage and code once a minute, the rest at the end; nothing of an event in it."""
    now = [1_000.0]
    topic = _Topic()
    _, chunk, letters = _scene(topic, [b"secret"] * 6)
    letters._clock = lambda: now[0]
    with capture_logs() as logged:
        letters.start()
        for row in range(5):
            if row == 4:
                now[0] += 61
            letters.put(chunk, row, None, NO, 1)
            await _until(lambda: len(letters) == 0)
        letters.put(chunk, 5, None, Rejected(Stage.MAP, "other", "why"), 1)
        await _until(lambda: len(letters) == 0)
        await letters.stop()
    told = [(each["stage"], each["code"], each["count"]) for each in logged if each["event"] == "dead_letters_stored"]
    assert told == [("deliver", "aep_400", 1), ("deliver", "aep_400", 4), ("map", "other", 1)]
    assert "secret" not in str(logged)


async def test_what_was_stored_is_told_without_a_next_letter(monkeypatch):
    """A quiet worker tells the last ones too, a minute after it told before."""
    monkeypatch.setattr("bridge.kafka.dead_letters.store._TOLD_SECONDS", 0.1)
    _, chunk, letters = _scene(_Topic(), [b"x"] * 2)
    with capture_logs() as logged:
        letters.start()
        for row in range(2):
            letters.put(chunk, row, None, NO, 1)
            await asyncio.sleep(0.01)
        await _until(lambda: sum(each["event"] == "dead_letters_stored" for each in logged) == 2)
        await letters.stop()
    assert len([each for each in logged if each["event"] == "dead_letters_stored"]) == 2


async def test_failures_in_a_row_wait_longer_each_time():
    """By their number, which begins anew when the topic has taken something; told once for each time it cannot be written."""
    topic, waited = _Topic(failures=3), []
    ledger, chunk, letters = _scene(topic, [b"x", b"y"])
    letters._backoff = SimpleNamespace(delay=lambda failures: waited.append(failures) or 0.0)
    with capture_logs() as logged:
        letters.start()
        letters.put(chunk, 0, None, NO, 1)
        await _until(lambda: len(letters) == 0)
        topic.failures = 1
        letters.put(chunk, 1, None, NO, 1)
        await _until(ledger.committable)
        await _until(lambda: ledger.committable() == {("t", 0): 2})
        await letters.stop()
    assert waited == [1, 2, 3, 1]
    told = [line["event"] for line in logged if line["event"].endswith("writable")]
    assert told == ["dead_letters_unwritable", "dead_letters_writable"] * 2


async def test_letters_count_until_they_are_confirmed():
    """Those in the queue and those under way: a drain waits for both."""
    topic = _Topic()
    topic.confirm.clear()
    _, chunk, letters = _scene(topic, [b"x"] * 3)
    assert (len(letters), letters.writable) == (0, True)
    letters.start()
    letters.put(chunk, 0, None, NO, 1)
    await asyncio.sleep(0.01)
    letters.put(chunk, 1, None, NO, 1)
    letters.put(chunk, 2, None, NO, 1)
    await asyncio.sleep(0.01)
    assert (len(letters), len(topic.stored)) == (3, 0)
    topic.confirm.set()
    await _until(lambda: len(letters) == 0)
    assert len(topic.stored) == 3
    await letters.stop()


@pytest.mark.parametrize(("room", "letters_of"), [(5_000, 21), (4_999, 60)])
async def test_a_record_stands_for_its_events_as_long_as_it_fits_with_its_headers(room, letters_of):
    """Five thousand bytes are kept for key and headers."""
    value = _batch(60)
    topic = _Topic(limit=len(value) + room)
    ledger, chunk, letters = _scene(topic, [value])
    chunk.unresolved = 60
    for part in range(60):
        letters.put(chunk, 0, part, NO, 1)
    letters.start()
    await _until(ledger.committable)
    assert len(topic.stored) == letters_of
    await letters.stop()


async def test_a_backlog_is_stored_in_order_and_in_parts():
    """Five hundred at a time, so that one call does not hold them all."""
    calls = []

    class Counting(_Topic):
        async def publish(self, records, *, topic=None):
            calls.append(len(records))
            await super().publish(records, topic=topic)

    topic = Counting()
    ledger, chunk, letters = _scene(topic, [b"%d" % n for n in range(1_001)])
    for row in range(1_001):
        letters.put(chunk, row, None, NO, 1)
    letters.start()
    await _until(ledger.committable)
    assert calls == [500, 500, 1]
    assert [int(value) for _, value, _ in topic.stored] == list(range(1_001))
    await letters.stop()


async def test_what_is_cut_is_told_with_its_place_and_size():
    """The log names the record, so that its whole can be looked for; not a byte of it."""
    topic = _Topic(limit=1_000)
    _, chunk, letters = _scene(topic, [b"secret" * 1_000])
    with capture_logs() as logged:
        letters.start()
        letters.put(chunk, 0, None, NO, 1)
        await _until(lambda: len(letters) == 0)
        await letters.stop()
    (line,) = [line for line in logged if line["log_level"] == "error"]
    assert (line["bytes"], line["topic"], line["partition"], line["offset"]) == (6_000, "t", 0, 0)
    assert "secret" not in str(logged)


def test_a_letter_after_a_quiet_time_is_told_at_once():
    """The minute counts from the last line that said something; within it the next ones wait for its end."""
    told = []

    async def main():
        clock = asyncio.get_running_loop().time
        _, chunk, letters = _scene(_Topic(), [b"x"] * 3)
        letters.start()
        with capture_logs() as logged:
            for row, pause in enumerate((100, 20, 100)):
                letters.put(chunk, row, None, NO, 1)
                before = clock()
                while clock() < before + pause:
                    await asyncio.sleep(1)
                    told.append(sum(line["event"] == "dead_letters_stored" for line in logged))
        await letters.stop()

    loop = VirtualLoop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
    assert told == [1] * 100 + [2] * 20 + [2] * 39 + [3] * 61


async def test_the_letter_of_a_replayed_xdm_is_xdm_again():
    """Refused once more it keeps its form, so that the next replay does not map it either, and is found by its ``_id``."""
    topic = _Topic()
    _, chunk, letters = _scene(topic, [b'{"_id":"e1"}', b"{broken"])
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
